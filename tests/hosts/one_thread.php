<?php
// A PHP program whose provider is a PHP function: it may run on the program's own thread alone, which the option
// callbacks = caller sees to. Calls go through a queue.
// Usage: AHOY_LIBRARY=path/to/libahoy.so php -d ffi.enable=1 one_thread.php path/to/ahoy.ffi.h PORT ...

[, $header, $well] = $argv;
// Nobody listens at port 1.
$dead = 1;
$ahoy = FFI::cdef(file_get_contents($header), getenv('AHOY_LIBRARY'));
$err = $ahoy->new('ahoy_error *[1]');
$ok = function (int $status) use ($ahoy, $err): void {
    if ($status !== 0) {
        throw new Exception($ahoy->ahoy_error_message($err[0]));
    }
};

[$asked, $listed] = [0, $dead];
$provider = $ahoy->ahoy_provider_custom_new(function ($data, $out) use ($ahoy, &$asked, &$listed): int {
    $asked++;
    return $ahoy->ahoy_hosts_add($out, '127.0.0.1', $listed, null);
}, null, null);
$ok($ahoy->ahoy_provider_set($provider, 'callbacks', 'caller', $err));
$balancer = $ahoy->ahoy_balancer_new($provider);
$builder = $ahoy->ahoy_client_builder_new();
$ok($ahoy->ahoy_client_builder_set_balancer($builder, $balancer, $err));
$ok($ahoy->ahoy_client_builder_set_timeout_ms($builder, 5000, $err));
$client = $ahoy->new('ahoy_client *[1]');
$ok($ahoy->ahoy_client_builder_build($builder, $client, $err));
$queue = $ahoy->new('ahoy_queue *[1]');
$ok($ahoy->ahoy_queue_new($queue, $err));

$status = function () use ($ahoy, $ok, $err, $client, $queue): int {
    $request = $ahoy->new('ahoy_request *[1]');
    $ok($ahoy->ahoy_request_new('GET', '/', $request, $err));
    $ok($ahoy->ahoy_client_submit($client[0], $request[0], $queue[0], 1, $err));
    $completion = $ahoy->new('ahoy_completion *[1]');
    $ok($ahoy->ahoy_queue_next($queue[0], 10000, $completion, $err));
    $response = $ahoy->ahoy_completion_take_response($completion[0]);
    $status = $response === null || FFI::isNull($response) ? 0 : $ahoy->ahoy_response_status($response);
    $ahoy->ahoy_response_free($response);
    $ahoy->ahoy_completion_free($completion[0]);
    $ahoy->ahoy_request_free($request[0]);
    return $status;
};
$expect = function (bool $holds, string $what): void {
    if (!$holds) {
        throw new Exception($what);
    }
};

// Its circuit opens, and the list is asked for again inside of ahoy_queue_next.
$expect($status() === 0, 'a dead host answered');
$listed = (int) $well;
$expect($status() === 200, 'the new list was not taken');
$expect($asked >= 2, "asked $asked times");
for ($call = 0; $call < 200; $call++) {
    $expect($status() === 200, 'a call failed');
}
$ahoy->ahoy_queue_free($queue[0]);
$ahoy->ahoy_client_free($client[0]);
$ahoy->ahoy_client_builder_free($builder);
$ahoy->ahoy_balancer_free($balancer);
$ahoy->ahoy_provider_free($provider);
echo "well\n";
