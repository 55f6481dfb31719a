# frozen_string_literal: true

require_relative "lib/ahoy/version"

Gem::Specification.new do |spec|
  spec.name = "ahoy-client"
  spec.version = Ahoy::VERSION
  spec.summary = "A resilient HTTP client for services on several hosts, by libahoy"
  spec.authors = ["The libahoy authors"]
  spec.homepage = "https://github.com/libahoy/libahoy"
  spec.licenses = ["MIT", "Apache-2.0"]
  spec.required_ruby_version = ">= 3.0"
  # The library lies in the gem: one for each platform, which needs no compiler.
  spec.platform = Gem::Platform.local if File.exist?(File.join(__dir__, "lib/ahoy/libahoy.so"))
  spec.files = Dir.chdir(__dir__) { Dir["lib/**/*.{rb,so}", "README.md"] }
  spec.add_dependency "ffi", "~> 1.15"
end
