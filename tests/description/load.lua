-- LuaJIT takes ahoy.ffi.h as it is: load.lua LIBRARY PORT prints what a GET answers.
local ffi = require("ffi")
local here = arg[0]:match("(.*/)") or "./"
ffi.cdef(assert(io.open(here .. "../../include/ahoy.ffi.h")):read("*a"))
local ahoy = ffi.load(arg[1])

local builder = ahoy.ahoy_client_builder_new()
ahoy.ahoy_client_builder_set_base_url(builder, "http://127.0.0.1:" .. arg[2], nil)
local client, response, err = ffi.new("ahoy_client *[1]"), ffi.new("ahoy_response *[1]"), ffi.new("ahoy_error *[1]")
local function must(status)
    if status ~= ahoy.AHOY_OK then
        error(ffi.string(ahoy.ahoy_error_message(err[0])))
    end
end
must(ahoy.ahoy_client_builder_build(builder, client, err))
must(ahoy.ahoy_client_get(client[0], "/", response, err))
local length = ffi.new("size_t[1]")
local body = ahoy.ahoy_response_body(response[0], length)
print(ahoy.ahoy_response_status(response[0]) .. " " .. ffi.string(body, length[0]))
ahoy.ahoy_response_free(response[0])
ahoy.ahoy_client_free(client[0])
ahoy.ahoy_client_builder_free(builder)
