# frozen_string_literal: true

module Ahoy
  # A body that can be read, from where it stands. The library draws from it on threads of its own, and goes on for a while
  # when its call is left: the end is what the program can rely on.
  class Source
    # How long an end waits for a read that runs, in seconds.
    PATIENCE = 1

    # Whether a read may wait for somebody: nobody but memory and files are known not to.
    def self.waits?(io)
      !(defined?(StringIO) && io.is_a?(StringIO)) && !(io.respond_to?(:stat) && io.stat.file?)
    end

    def initialize(io)
      @io = io
      @begin = place
    end

    def begin(_request); end

    # Lets nothing touch the IO any more, and waits for a read that runs; whether that has ended. A mutex must not be locked
    # inside a signal's trap, where a call may be made, so this looks.
    def end
      @over = true
      limit = now + PATIENCE
      while (lasts = runs?) && now < limit
        leave
        sleep 0.001
      end
      !lasts
    end

    # How many bytes there are, or nil. Pipes with a name have a size of 0, and so have files of /proc, whatever is in them.
    def length
      size = %i[size length].find { |name| @io.respond_to?(name) } # a multipart body of Faraday's has a length alone
      return if size.nil? || @io.respond_to?(:stat) && !@io.stat.file?

      left = @io.public_send(size).to_i - @begin
      return left if left.positive?

      @rest = draw(65_536)
      0 if @rest.nil?
    end

    def again?
      @io.respond_to?(@begin.zero? ? :rewind : :seek)
    end

    def rewind
      drawing do
        raise IOError, "the call is over" if @over

        @rest = nil
        @begin.zero? ? @io.rewind : @io.seek(@begin)
      end
    end

    # So many bytes at most, also of what gives more than it is asked for; nil at the end.
    def read(most)
      drawing do
        piece = @rest || draw(most) unless @over
        next if piece.nil?

        @rest = piece.bytesize > most ? piece.byteslice(most..) : nil
        piece.byteslice(0, most)
      end
    end

    private

    # Runs a block that may touch the IO. It says so before it looks whether the end has come, which comes before it is looked
    # whether one runs: so one of the two sees the other.
    def drawing
      @drawing = Thread.current
      yield
    ensure
      @drawing = nil
    end

    # Whether another thread may touch the IO: an end that comes out of a read must not wait for itself.
    def runs?
      ![nil, Thread.current].include?(@drawing)
    end

    # Has a read end early, where it can.
    def leave; end

    def draw(most)
      @io.read(most)
    end

    def place
      @io.respond_to?(:pos) ? @io.pos.to_i : 0
    rescue SystemCallError
      0 # a pipe
    end

    def now
      Process.clock_gettime(Process::CLOCK_MONOTONIC)
    end
  end

  # What may wait: a thread of its own reads it, one piece ahead, for the library's must not.
  class SourceAhead < Source
    # The request that is told of a piece; it is held no longer than its call, also by the thread, for it holds this.
    def begin(request)
      @request = request
      @room = Thread::Queue.new
    end

    def end
      super.tap { @request = @reader = nil }
    end

    def rewind
      drawing do
        leave
        raise IOError, "a read still waits" unless @reader.nil? || @reader.join(PATIENCE)

        @come = @reader = nil
        @room = Thread::Queue.new
        super
      end
    end

    def read(most)
      drawing do
        request = @request
        next if @over || request.nil?

        @reader ||= ahead(request, @room)
        piece, error = come = @come
        next :later if come.nil?
        raise error if error
        next if piece.nil?

        rest = piece.bytesize > most ? piece.byteslice(most..) : nil
        @come = rest && [rest]
        @room << true if rest.nil?
        piece.byteslice(0, most)
      end
    end

    private

    def leave
      @room&.close
      @reader&.kill unless @reader == Thread.current
    end

    def runs?
      super || @reader != Thread.current && @reader&.alive?
    end

    # What there is, for what comes in its own time is to go out in it.
    def draw(most)
      @io.respond_to?(:readpartial) ? @io.readpartial(most) : super
    rescue EOFError
      nil
    end

    def ahead(request, room)
      room << true
      Thread.new do
        Thread.current.report_on_exception = false
        while room.pop && !@over
          @come = begin
            piece = @rest || draw(65_536)
            @rest = nil
            [piece&.empty? ? nil : piece]
          rescue Exception => e # rubocop:disable Lint/RescueException
            [nil, e]
          end
          Native.ahoy_request_body_ready(request, nil)
        end
      end
    end
  end
end
