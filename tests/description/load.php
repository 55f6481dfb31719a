<?php
// PHP's FFI takes ahoy.ffi.h as it is: load.php LIBRARY PORT prints what a GET answers.
[, $library, $port] = $argv;
$ahoy = FFI::cdef(file_get_contents(__DIR__ . '/../../include/ahoy.ffi.h'), $library);

$builder = $ahoy->ahoy_client_builder_new();
$ahoy->ahoy_client_builder_set_base_url($builder, "http://127.0.0.1:$port", null);
$client = $ahoy->new('ahoy_client *');
$error = $ahoy->new('ahoy_error *');
if ($ahoy->ahoy_client_builder_build($builder, FFI::addr($client), FFI::addr($error)) !== $ahoy->AHOY_OK) {
    exit($ahoy->ahoy_error_message($error));
}
$response = $ahoy->new('ahoy_response *');
$status = $ahoy->ahoy_client_get($client, '/', FFI::addr($response), FFI::addr($error));
if ($status !== $ahoy->AHOY_OK) {
    exit($ahoy->ahoy_error_message($error));
}
$length = $ahoy->new('size_t');
$body = $ahoy->ahoy_response_body($response, FFI::addr($length));
echo $ahoy->ahoy_response_status($response), ' ', FFI::string($body, $length->cdata), "\n";
$ahoy->ahoy_response_free($response);
$ahoy->ahoy_client_free($client);
$ahoy->ahoy_client_builder_free($builder);
