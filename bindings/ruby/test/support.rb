# frozen_string_literal: true

$LOAD_PATH.unshift File.expand_path("../lib", __dir__)
require "ahoy"
require "json"
require "minitest/autorun"
require "net/http"
require "open3"
require "rbconfig"

# The suite's servers, one of each kind, for a test class.
module Served
  SUITE = File.expand_path("../../suite/server.py", __dir__)

  def self.start(kinds)
    input, output, = Open3.popen2("/usr/bin/python3", SUITE, *kinds)
    ports = output.gets.split.map(&:to_i)
    Minitest.after_run { input.close }
    ports.map { |port| "127.0.0.1:#{port}" }
  end

  HOSTS = start(%w[ok refuse ok])

  def hosts
    HOSTS
  end

  def counts(host = hosts[0])
    JSON.parse(Net::HTTP.get(URI("http://#{host}/counts")))
  end

  def eventually(seconds = 5)
    begun = now
    until yield
      raise "not after #{seconds} s" if now - begun > seconds

      sleep 0.002
    end
    now - begun
  end

  def now
    Process.clock_gettime(Process::CLOCK_MONOTONIC)
  end

  # A number for each run, and the one that is asked for, which AHOY_FULL=1 takes: `make acceptance-languages`.
  def full(usual, asked)
    ENV["AHOY_FULL"] ? asked : usual
  end

  def figure(text)
    warn text if ENV["AHOY_FIGURES"]
  end

  def client(given = hosts, **options)
    made = Ahoy::Client.new(given, timeout: 5, **options)
    (@clients ||= []) << made
    made
  end

  def teardown
    (@clients || []).each(&:close)
  end

  # Runs a program in a Ruby of its own, which is killed after so many seconds where it may hang for good.
  def program(text, env = {}, seconds = nil)
    begin_with = "require 'ahoy'; hosts = ARGV\n"
    limit = seconds ? ["timeout", "-s", "KILL", seconds.to_s] : []
    out, err, status = Open3.capture3(env, *limit, RbConfig.ruby, "-I", File.expand_path("../lib", __dir__), "-e",
                                      begin_with + text, *hosts)
    assert_equal [true, ""], [status.success?, err]
    out
  end
end
