# frozen_string_literal: true

module Ahoy
  VERSION = "0.1.0"
end
