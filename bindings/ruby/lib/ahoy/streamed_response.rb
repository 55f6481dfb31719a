# frozen_string_literal: true

module Ahoy
  # An answer whose body is read while it comes. What was read and not given out stays, for whatever reads next.
  class StreamedResponse < Response
    include Enumerable

    PIECE = 65_536

    # A CR at the end of a piece ends its line, also where the LF of a CR LF follows.
    LINE_END = /\r\n|\n|\r/n.freeze

    # When its reading ends with DeadlineError, on the monotonic clock; nil for never.
    attr_accessor :deadline

    def initialize(handle, path, sent)
      super(handle, path)
      @sent = sent
    end

    # Yields the pieces of the body as they come.
    def each
      return to_enum unless block_given?

      while fill(1)
        piece = come.shift
        yield piece
      end
    end

    alias each_chunk each

    # Yields the lines of the body as they come, without their ends.
    def each_line
      return to_enum(:each_line) unless block_given?

      while (line = next_line)
        yield line
      end
    end

    # Yields server-sent events, as the HTML standard reads them: their name, data and id.
    def each_event
      return to_enum(:each_event) unless block_given?

      @events ||= EventReader.new
      while (line = next_line)
        event = @events.line(line)
        yield(*event) if event
      end
    end

    # What is left of the body.
    def read
      nil while fill(come.size + 1)
      text, @come = come.join, []
      text
    end
    alias body read
    alias to_s read

    # Ends the exchange; the server sees the connection close if the body is not whole.
    def close
      headers
      endpoint
      attempts
    ensure
      Interrupts.hold do
        handle, @handle = @handle, nil
        handle&.free unless @reading
      end
      @sent.done
    end

    private

    # The pieces that were read and not given out.
    def come
      @come ||= []
    end

    # Reads until so many pieces are there; whether they are.
    def fill(count)
      while come.size < count
        raise Errors.late if deadline && Process.clock_gettime(Process::CLOCK_MONOTONIC) > deadline

        more = draw
        return false if more.nil?

        wait unless more
      end
      true
    end

    # Reads a piece; false where none is there yet, nil at the end.
    def draw
      @buffer ||= FFI::MemoryPointer.new(:uint8, PIECE)
      length, ended = FFI::MemoryPointer.new(:size_t), FFI::MemoryPointer.new(:bool)
      reading do |handle|
        Native.check(:ahoy_response_read, handle, @buffer, PIECE, 0, length, ended)
        count = length.read(:size_t)
        take_in(@buffer.read_bytes(count))
        count.positive? || (ended.read(:bool) ? nil : false)
      end
    end

    # Keeps a piece until it is given out, but for the LF of a line that its CR has ended.
    def take_in(piece)
      return if piece.empty?

      piece = piece.byteslice(1..) if @after_cr && piece.start_with?("\n")
      @after_cr = false
      come << piece unless piece.empty?
    end

    # Waits until there is something to read.
    def wait
      Waiter.use do |waiter|
        waiter.readable(deadline) do |queue, tag|
          reading { |handle| Native.check(:ahoy_response_notify, handle, queue, tag) }
        end
      end
    rescue Error => e
      raise @handle ? e : closed
    end

    def closed
      ClosedError.new("the response is closed").tap { |error| error.code = "AHOY_E_CLOSED" }
    end

    # Gives the handle to a call of the library, which runs without Ruby's lock: a close in another thread leaves it to be
    # freed here.
    def reading
      Interrupts.hold do
        @reading = true
        handle = @handle or raise closed
        yield handle
      ensure
        @reading = false
        handle.free if handle && @handle.nil?
      end
    end

    # The next line without its end; what has no end is the last. It is taken out only when it is there whole.
    def next_line
      at = 0
      while fill(at + 1)
        found = come[at].match(LINE_END)
        return cut(at, found) if found

        at += 1
      end
      return if come.empty?

      read.force_encoding(Encoding::UTF_8)
    end

    # Takes out the line that ends in the piece at an index. The pieces of a line are joined once: a long one has many.
    def cut(at, found)
      Interrupts.hold do
        line = at.zero? ? found.pre_match : [*come.first(at), found.pre_match].join
        left = [found.post_match, *come.drop(at + 1)]
        @come, @after_cr = [], found[0] == "\r"
        left.each { |piece| take_in(piece) }
        line.force_encoding(Encoding::UTF_8)
      end
    end
  end
end
