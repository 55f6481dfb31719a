# frozen_string_literal: true

module Ahoy
  class FaradayAdapter < Faraday::Adapter
    # The clients of an adapter, one for each kind of connecting that Faraday's requests ask for. A limit on connecting that
    # is counted anew for each request makes a kind of each: few are kept, and those that were not asked for longest go.
    class Clients
      MOST = 8

      # A client, with the calls that use it.
      Kept = Struct.new(:client, :users, :used, :leaves)

      # The block makes a client for a kind.
      def initialize(&make)
        @make = make
        @kept = {}
        @lock = Mutex.new
      end

      # Gives the client of a kind to a block.
      def use(kind)
        user, kept = Object.new, nil
        until kept
          found = find(kind)
          Interrupts.hold { kept = enter(found, user) }
        end
        yield kept.client
      ensure
        Interrupts.hold { leave(kept, user) } if kept
      end

      def close
        @lock.synchronize { @kept.values }.each { |kept| kept.client.close }
      end

      private

      # It enters before it looks whether the client leaves, which is noted before it is looked whether one has entered: so no
      # client is closed for a call that has it.
      def enter(kept, user)
        kept.users[user] = true
        kept.used = Process.clock_gettime(Process::CLOCK_MONOTONIC)
        return kept unless kept.leaves

        leave(kept, user)
        nil
      end

      def leave(kept, user)
        kept.users.delete(user)
        kept.client.close if kept.leaves && kept.users.empty?
      end

      # One that is there is found without the mutex, which must not be locked inside a signal's trap; the hash is replaced
      # and never changed.
      def find(kind)
        @kept[kind] || @lock.synchronize { @kept[kind] || add(kind) }
      end

      def add(kind)
        made = Kept.new(@make.call(kind), {}.compare_by_identity, Process.clock_gettime(Process::CLOCK_MONOTONIC), false)
        oldest, gone = @kept.min_by { |_, kept| kept.used } if @kept.size >= MOST
        @kept = @kept.reject { |one, _| one.equal?(oldest) }.merge(kind => made)
        dismiss(gone) if gone
        made
      end

      # The calls that use it go on; the last of them closes it.
      def dismiss(kept)
        kept.leaves = true
        kept.client.close if kept.users.empty?
      end
    end
  end
end
