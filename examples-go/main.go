// The quickstart and a provider of one's own through cgo.
//
//	main PORT PORT PORT        (on 127.0.0.1)
package main

/*
#cgo pkg-config: ahoy
#include <ahoy.h>
#include <stdlib.h>
// Defined below in Go: a file that exports may only declare here.
ahoy_status listHosts(void *user_data, ahoy_hosts *out);
void forget(void *user_data);
*/
import "C"

import (
	"fmt"
	"os"
	"runtime/cgo"
	"strconv"
	"unsafe"
)

var address = C.CString("127.0.0.1")

// fail ends the program where status is an error. err is read after the call, hence the pointer to it.
func fail(status C.ahoy_status, err **C.ahoy_error) {
	if status != C.AHOY_OK {
		fmt.Fprintln(os.Stderr, C.GoString(C.ahoy_error_message(*err)))
		os.Exit(1)
	}
}

// C may not keep a Go pointer, so user_data is C memory that holds a handle of the Go value.
//
//export listHosts
func listHosts(userData unsafe.Pointer, out *C.ahoy_hosts) C.ahoy_status {
	for _, port := range (*(*cgo.Handle)(userData)).Value().([]C.uint16_t) {
		if status := C.ahoy_hosts_add(out, address, port, nil); status != C.AHOY_OK {
			return status
		}
	}
	return C.AHOY_OK
}

//export forget
func forget(userData unsafe.Pointer) {
	(*(*cgo.Handle)(userData)).Delete()
	C.free(userData)
}

// get makes a round robin client over provider and calls it three times.
func get(provider *C.ahoy_provider) {
	var err *C.ahoy_error
	var client *C.ahoy_client
	balancer, builder := C.ahoy_balancer_round_robin_new(provider), C.ahoy_client_builder_new()
	fail(C.ahoy_client_builder_set_balancer(builder, balancer, &err), &err)
	fail(C.ahoy_client_builder_build(builder, &client, &err), &err)
	C.ahoy_client_builder_free(builder)
	C.ahoy_balancer_free(balancer)
	C.ahoy_provider_free(provider)
	defer C.ahoy_client_free(client)
	path := C.CString("/")
	defer C.free(unsafe.Pointer(path))
	for call := 0; call < 3; call++ {
		var response *C.ahoy_response
		fail(C.ahoy_client_get(client, path, &response, &err), &err)
		fmt.Printf("%d %s", C.ahoy_response_status(response),
			C.GoString((*C.char)(unsafe.Pointer(C.ahoy_response_body(response, nil)))))
		C.ahoy_response_free(response)
	}
}

func main() {
	var ports []C.uint16_t
	var err *C.ahoy_error
	list := C.ahoy_provider_list_new()
	for _, text := range os.Args[1:] {
		port, _ := strconv.ParseUint(text, 10, 16) // 0, which is no port, for what is no number
		ports = append(ports, C.uint16_t(port))
		fail(C.ahoy_provider_list_add(list, address, C.uint16_t(port), &err), &err)
	}
	fmt.Println("a list:")
	get(list)
	fmt.Println("a provider in Go:")
	handle := (*cgo.Handle)(C.malloc(C.size_t(unsafe.Sizeof(cgo.Handle(0)))))
	*handle = cgo.NewHandle(ports)
	get(C.ahoy_provider_custom_new(C.ahoy_provider_fn(C.listHosts), unsafe.Pointer(handle), C.ahoy_destroy_fn(C.forget)))
}
