// The quickstart and a provider of one's own through cgo: main PORT PORT PORT (on 127.0.0.1).
package main

/*
#cgo pkg-config: ahoy
#include <ahoy.h>
#include <stdlib.h>
ahoy_status listHosts(void *user_data, ahoy_hosts *out); // written in Go below
void forget(void *user_data);
*/
import "C"

import (
	"fmt"
	"os"
	"runtime/cgo"
	"unsafe"
)

var address, path = C.CString("127.0.0.1"), C.CString("/")

// check ends the program on an error. It reads *err after the call that it is an argument beside.
func check(status C.ahoy_status, err **C.ahoy_error) {
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

func get(what string, provider *C.ahoy_provider) {
	fmt.Println(what)
	var err *C.ahoy_error
	var client *C.ahoy_client
	balancer, builder := C.ahoy_balancer_round_robin_new(provider), C.ahoy_client_builder_new()
	check(C.ahoy_client_builder_set_balancer(builder, balancer, &err), &err)
	check(C.ahoy_client_builder_build(builder, &client, &err), &err)
	C.ahoy_client_builder_free(builder)
	C.ahoy_balancer_free(balancer)
	C.ahoy_provider_free(provider)
	defer C.ahoy_client_free(client)
	for call := 0; call < 3; call++ {
		var response *C.ahoy_response
		check(C.ahoy_client_get(client, path, &response, &err), &err)
		body := (*C.char)(unsafe.Pointer(C.ahoy_response_body(response, nil)))
		fmt.Printf("%d %s", C.ahoy_response_status(response), C.GoString(body))
		C.ahoy_response_free(response)
	}
}

func main() {
	var err *C.ahoy_error
	list, ports := C.ahoy_provider_list_new(), make([]C.uint16_t, len(os.Args)-1)
	for i := range ports {
		fmt.Sscan(os.Args[i+1], &ports[i]) // what is no number stays 0, which is no port
		check(C.ahoy_provider_list_add(list, address, ports[i], &err), &err)
	}
	get("a list:", list)
	handle := (*cgo.Handle)(C.malloc(C.size_t(unsafe.Sizeof(cgo.Handle(0)))))
	*handle = cgo.NewHandle(ports)
	get("a provider in Go:", C.ahoy_provider_custom_new(C.ahoy_provider_fn(C.listHosts), unsafe.Pointer(handle), C.ahoy_destroy_fn(C.forget)))
}
