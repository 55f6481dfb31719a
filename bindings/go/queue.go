package ahoy

// #include "bridge.h"
import "C"

import (
	"context"
	"os"
	"sync"
	"syscall"
	"unsafe"
)

// inC bounds how many goroutines are in the library at once: Go starts a thread for each that is there for longer than
// 20 µs, which on a busy machine any of thousands may be.
var inC = make(chan struct{}, 8)

func enter() { inC <- struct{}{} }
func leave() { <-inC }

// outcome is how a call ended.
type outcome struct {
	response *C.ahoy_response
	err      error
}

// queue hands completions to the goroutines that wait for them. One goroutine waits for its descriptor in Go's own
// poller, so that no thread is held, however many calls are under way.
type queue struct {
	handle *C.ahoy_queue
	file   *os.File
	// inUse is held for reading by what uses the queue's handle or its client's, and locked for good before they are freed.
	inUse sync.RWMutex

	mutex   sync.Mutex
	next    uint64
	waiting map[uint64]chan outcome
	ended   bool
}

const batch = 256

func newQueue() (*queue, error) {
	var handle *C.ahoy_queue
	var err *C.ahoy_error
	if C.ahoy_queue_new(&handle, &err) != 0 {
		return nil, takeError(err)
	}
	// The descriptor is the queue's to close; Go gets one of its own.
	syscall.ForkLock.RLock()
	fd, failed := syscall.Dup(int(C.ahoy_queue_fd(handle)))
	if failed == nil {
		syscall.CloseOnExec(fd)
	}
	syscall.ForkLock.RUnlock()
	if failed != nil {
		C.ahoy_queue_free(handle)
		return nil, failed
	}
	_ = syscall.SetNonblock(fd, true)
	made := &queue{handle: handle, file: os.NewFile(uintptr(fd), "ahoy"), waiting: map[uint64]chan outcome{}}
	go made.run()
	return made, nil
}

func (q *queue) run() {
	raw, err := q.file.SyscallConn()
	if err != nil {
		return
	}
	ended := (*[batch]C.ahoy_go_ended)(C.malloc(batch * C.size_t(unsafe.Sizeof(C.ahoy_go_ended{}))))
	defer C.free(unsafe.Pointer(ended))
	take := func(uintptr) bool {
		for {
			count := int(C.ahoy_go_take(q.handle, &ended[0], batch))
			for _, one := range ended[:count] {
				q.complete(uint64(one.tag), outcome{one.response, takeError(one.err)})
			}
			if count < batch {
				return false
			}
		}
	}
	_ = raw.Read(take)
	take(0) // what the client's end brought
	q.end()
	C.ahoy_queue_free(q.handle)
}

// end tells everything that still waits, of which nothing is to come.
func (q *queue) end() {
	q.mutex.Lock()
	defer q.mutex.Unlock()
	for _, waiter := range q.waiting {
		waiter <- outcome{nil, ErrClosed}
	}
	q.waiting = nil
}

func (q *queue) complete(tag uint64, ended outcome) {
	q.mutex.Lock()
	waiter := q.waiting[tag]
	delete(q.waiting, tag)
	q.mutex.Unlock()
	if waiter != nil {
		waiter <- ended
	} else {
		C.ahoy_response_free(ended.response)
	}
}

// await begins something that completes on the queue and waits for it, or for the context's end.
func (q *queue) await(ctx context.Context, begin func(tag uint64, err **C.ahoy_error) C.ahoy_status) (*C.ahoy_response, error) {
	waiter := make(chan outcome, 1)
	q.mutex.Lock()
	if q.ended {
		q.mutex.Unlock()
		return nil, ErrClosed
	}
	q.next++
	tag := q.next
	q.waiting[tag] = waiter
	q.mutex.Unlock()
	if err := q.begin(tag, begin); err != nil {
		q.forget(tag)
		return nil, err
	}
	select {
	case done := <-waiter:
		return done.response, done.err
	case <-ctx.Done():
		q.cancel(tag)
		go discard(waiter)
		return nil, ctx.Err()
	}
}

func (q *queue) begin(tag uint64, begin func(tag uint64, err **C.ahoy_error) C.ahoy_status) error {
	if !q.inUse.TryRLock() {
		return ErrClosed
	}
	defer q.inUse.RUnlock()
	var err *C.ahoy_error
	enter()
	defer leave()
	if begin(tag, &err) == 0 {
		return nil
	}
	if failed := takeError(err); failed != nil {
		return failed
	}
	return ErrClosed
}

// cancel ends a call; where the queue is about to be freed, that does.
func (q *queue) cancel(tag uint64) {
	if q.inUse.TryRLock() {
		defer q.inUse.RUnlock()
		C.ahoy_queue_cancel(q.handle, C.uint64_t(tag), nil)
	}
}

func (q *queue) forget(tag uint64) {
	q.mutex.Lock()
	delete(q.waiting, tag)
	q.mutex.Unlock()
}

// discard frees what a cancelled call may have brought all the same; exactly one completion comes.
func discard(waiter chan outcome) {
	C.ahoy_response_free((<-waiter).response)
}

// close waits for what uses the handles, refuses what comes, and ends the goroutine, which hands over what has come, ends
// everything that still waits, and frees the queue.
func (q *queue) close() {
	q.inUse.Lock()
	q.mutex.Lock()
	q.ended = true
	q.mutex.Unlock()
	q.file.Close()
}
