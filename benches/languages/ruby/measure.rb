# frozen_string_literal: true

# Runs one of the programs beside it: measure.rb FILE CALLS AT_ONCE HOST... prints SECONDS ANSWERS.

require "json"

file, calls, at_once, *hosts = ARGV
require_relative file
# What the server answers.
ANSWER = { "orders" => [1, 2] }.freeze

service = Orders.new(hosts)
calls = Integer(calls)
at_once = Integer(at_once)
work = lambda do |number|
  count = calls / at_once + (number < calls % at_once ? 1 : 0)
  Array.new(count) do
    service.orders == ANSWER
  rescue StandardError
    false
  end.count(true)
end
begun = Process.clock_gettime(Process::CLOCK_MONOTONIC)
answers = at_once == 1 ? work.call(0) : Array.new(at_once) { |n| Thread.new { work.call(n) } }.sum(&:value)
puts "#{Process.clock_gettime(Process::CLOCK_MONOTONIC) - begun} #{answers}"
service.close
