-- A LuaJIT program whose provider is a Lua function: it may run on the program's own thread alone, which the option
-- callbacks = caller sees to. Calls go through a queue.
-- Usage: AHOY_LIBRARY=path/to/libahoy.so luajit one_thread.lua path/to/ahoy.ffi.h PORT ...

local ffi = require "ffi"
local file = assert(io.open(arg[1]))
ffi.cdef(file:read "*a")
file:close()
local ahoy = ffi.load(os.getenv "AHOY_LIBRARY")
-- Nobody listens at port 1.
local dead, well = 1, tonumber(arg[2])

local err = ffi.new "ahoy_error *[1]"
local function ok(status)
    if status ~= 0 then
        error(ffi.string(ahoy.ahoy_error_message(err[0])))
    end
end

local asked, listed = 0, dead
local fill = ffi.cast("ahoy_provider_fn", function(_, out)
    asked = asked + 1
    return ahoy.ahoy_hosts_add(out, "127.0.0.1", listed, nil)
end)
local provider = ahoy.ahoy_provider_custom_new(fill, nil, nil)
ok(ahoy.ahoy_provider_set(provider, "callbacks", "caller", err))
local balancer = ahoy.ahoy_balancer_new(provider)
local builder = ahoy.ahoy_client_builder_new()
ok(ahoy.ahoy_client_builder_set_balancer(builder, balancer, err))
ok(ahoy.ahoy_client_builder_set_timeout_ms(builder, 5000, err))
local client = ffi.new "ahoy_client *[1]"
ok(ahoy.ahoy_client_builder_build(builder, client, err))
local queue = ffi.new "ahoy_queue *[1]"
ok(ahoy.ahoy_queue_new(queue, err))

local function status_of_call()
    local request = ffi.new "ahoy_request *[1]"
    ok(ahoy.ahoy_request_new("GET", "/", request, err))
    ok(ahoy.ahoy_client_submit(client[0], request[0], queue[0], 1, err))
    local completion = ffi.new "ahoy_completion *[1]"
    ok(ahoy.ahoy_queue_next(queue[0], 10000, completion, err))
    assert(completion[0] ~= nil, "no completion")
    local response = ahoy.ahoy_completion_take_response(completion[0])
    local status = response ~= nil and ahoy.ahoy_response_status(response) or 0
    ahoy.ahoy_response_free(response)
    ahoy.ahoy_completion_free(completion[0])
    ahoy.ahoy_request_free(request[0])
    return status
end

-- Its circuit opens, and the list is asked for again inside of ahoy_queue_next.
assert(status_of_call() == 0, "a dead host answered")
listed = well
assert(status_of_call() == 200, "the new list was not taken")
assert(asked >= 2, "asked " .. asked .. " times")
for _ = 1, 200 do
    assert(status_of_call() == 200)
end
ahoy.ahoy_queue_free(queue[0])
ahoy.ahoy_client_free(client[0])
ahoy.ahoy_client_builder_free(builder)
ahoy.ahoy_balancer_free(balancer)
ahoy.ahoy_provider_free(provider)
print "well"
