// Thousands of calls at once from a handful of threads: queue CALLS MILLISECONDS (of service time).
//
// A blocking cgo call holds an operating system thread. Here each goroutine waits on a channel instead, and one
// goroutine reads completions from a queue whose descriptor Go's own poller watches. A cgo call that merely takes long,
// because the machine is busy, holds its thread as well, and Go makes another: so one goroutine at a time submits.
package main

/*
#cgo pkg-config: ahoy
#include <ahoy.h>
#include <stdlib.h>
*/
import "C"

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"time"
)

func check(status C.ahoy_status, err **C.ahoy_error) {
	if status != C.AHOY_OK {
		panic(C.GoString(C.ahoy_error_message(*err)))
	}
}

// serve answers each request after a while, in a process of its own, whose threads do not count.
func serve(wait time.Duration) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	panic(http.Serve(listener, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { time.Sleep(wait) })))
}

// submitting lets one goroutine at a time into C. The others wait in Go's scheduler, without a thread.
var submitting sync.Mutex

func submit(client *C.ahoy_client, request *C.ahoy_request, queue *C.ahoy_queue, tag int) {
	submitting.Lock()
	defer submitting.Unlock()
	var err *C.ahoy_error
	check(C.ahoy_client_submit(client, request, queue, C.uint64_t(tag), &err), &err)
}

// read hands each completion to the goroutine that waits for it.
func read(queue *C.ahoy_queue, waiting []chan C.ahoy_status) {
	descriptor, _ := os.NewFile(uintptr(C.ahoy_queue_fd(queue)), "ahoy_queue").SyscallConn()
	var batch [256]*C.ahoy_completion
	var count C.size_t
	descriptor.Read(func(uintptr) bool { // false waits in Go's poller until the descriptor is readable
		for C.ahoy_queue_next_batch(queue, 0, &batch[0], 256, &count, nil) == C.AHOY_OK && count > 0 {
			for _, completion := range batch[:count] {
				waiting[C.ahoy_completion_tag(completion)] <- C.ahoy_completion_status(completion)
				C.ahoy_completion_free(completion)
			}
		}
		return false
	})
}

func main() {
	calls, _ := strconv.Atoi(os.Args[1])
	milliseconds, _ := strconv.Atoi(os.Args[2])
	if len(os.Args) > 3 {
		serve(time.Duration(milliseconds) * time.Millisecond)
	}
	server := exec.Command(os.Args[0], os.Args[1], os.Args[2], "serve")
	output, _ := server.StdoutPipe()
	if err := server.Start(); err != nil {
		panic(err)
	}
	defer server.Process.Kill()
	var port C.uint16_t
	fmt.Fscan(output, &port)

	var err *C.ahoy_error
	var client *C.ahoy_client
	var queue *C.ahoy_queue
	var request *C.ahoy_request
	hosts, builder := C.ahoy_provider_list_new(), C.ahoy_client_builder_new()
	check(C.ahoy_provider_list_add(hosts, C.CString("127.0.0.1"), port, &err), &err)
	check(C.ahoy_client_builder_set_balancer(builder, C.ahoy_balancer_round_robin_new(hosts), &err), &err)
	check(C.ahoy_client_builder_build(builder, &client, &err), &err)
	check(C.ahoy_request_new(C.CString("GET"), C.CString("/"), &request, &err), &err)
	check(C.ahoy_queue_new(&queue, &err), &err)

	waiting, answered, all := make([]chan C.ahoy_status, calls), make(chan bool, calls), sync.WaitGroup{}
	for tag := range waiting {
		waiting[tag] = make(chan C.ahoy_status, 1)
	}
	go read(queue, waiting)
	for tag := range waiting {
		all.Add(1)
		go func(tag int) {
			defer all.Done()
			submit(client, request, queue, tag)
			answered <- <-waiting[tag] == C.AHOY_OK
		}(tag)
	}
	all.Wait()
	close(answered)
	count := 0
	for ok := range answered {
		if ok {
			count++
		}
	}
	threads, _ := os.ReadDir("/proc/self/task")
	fmt.Printf("%d of %d answered; %d threads\n", count, calls, len(threads))
	if count < calls || len(threads) >= 20 {
		os.Exit(1)
	}
}
