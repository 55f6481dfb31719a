package ahoy

// #include "bridge.h"
import "C"

import (
	"context"
	"io"
	"net/http"
	"runtime/cgo"
	"strings"
	"sync"
	"time"
	"unsafe"
)

// upload is a request's body that the library draws while it sends. A goroutine reads ahead, since the library's
// thread must not wait for a reader of Go.
type upload struct {
	getBody func() (io.ReadCloser, error)
	length  int64         // 0 where it is unknown
	come    chan struct{} // has one when the first bytes have come, or there are none

	mutex   sync.Mutex
	request *C.ahoy_request // nil once it is freed
	round   *round
	ready   []byte
	err     error
}

// round is one way through the body from its start, which has a goroutine. What an earlier one reads no longer counts.
type round struct {
	reader *source       // nil until GetBody has given it
	room   chan struct{} // has one where the next piece may be read; closed with the round
	left   chan struct{} // closed when the goroutine has left, and with it the last Read has ended
}

// attachUpload has the request's body drawn; the request is freed with what is returned, and where it fails.
func attachUpload(made *C.ahoy_request, request *http.Request) (*upload, error) {
	u := &upload{request: made, getBody: request.GetBody, come: make(chan struct{}, 1)}
	length := C.uint64_t(C.AHOY_UNKNOWN_LENGTH)
	if request.ContentLength > 0 {
		u.length = request.ContentLength
		length = C.uint64_t(u.length)
	}
	var err *C.ahoy_error
	handle := C.uintptr_t(cgo.NewHandle(u))
	if C.ahoy_go_body(made, handle, C.bool(u.getBody != nil), length, &err) != 0 {
		C.ahoy_request_free(made)
		return nil, takeError(err)
	}
	u.round = newRound(&source{body: request.Body})
	go u.run(u.round, nil)
	return u, nil
}

// isEmpty tells whether a body has no bytes. For one that does not come it does not wait for long, and is taken for full:
// its writer may await the answer.
func (u *upload) isEmpty(ctx context.Context) bool {
	late := time.NewTimer(200 * time.Millisecond)
	defer late.Stop()
	select {
	case <-u.come:
	case <-ctx.Done():
	case <-late.C:
	}
	u.mutex.Lock()
	defer u.mutex.Unlock()
	return len(u.ready) == 0 && u.err == io.EOF
}

// free ends the reading ahead, after which nothing touches the request any more, and frees that. A nil one has nothing.
func (u *upload) free() {
	if u == nil {
		return
	}
	u.mutex.Lock()
	request := u.request
	u.request = nil
	u.end()
	u.mutex.Unlock()
	C.ahoy_request_free(request)
}

// settle waits for a while until nothing reads the body any more, after free: its owner may use it again. A nil one has nothing.
func (u *upload) settle() {
	if u == nil {
		return
	}
	late := time.NewTimer(grace)
	defer late.Stop()
	select {
	case <-u.round.left:
	case <-late.C:
	}
}

// because gives a call's error what the reader of its body said, where that ended it. A nil one has nothing to say.
func (u *upload) because(err error) error {
	failed, ok := err.(*Error)
	if u == nil || !ok || !endedByBody(failed) {
		return err
	}
	u.mutex.Lock()
	defer u.mutex.Unlock()
	if u.err != nil && u.err != io.EOF {
		failed.cause = u.err
		first, rest, _ := strings.Cut(failed.Message, "\n")
		failed.Message = strings.TrimSuffix(first+": "+u.err.Error()+"\n"+rest, "\n")
	}
	return failed
}

// endedByBody also holds where the call's code is that of an attempt before, after which the body could not be sent again.
func endedByBody(failed *Error) bool {
	count := len(failed.Attempts)
	return failed.Code == BodySource || count > 0 && failed.Attempts[count-1].Code == BodySource
}

func newRound(reader *source) *round {
	made := &round{reader: reader, room: make(chan struct{}, 1), left: make(chan struct{})}
	made.room <- struct{}{}
	return made
}

// end ends the round: its goroutine, which waits for room or in the reader, leaves.
func (u *upload) end() {
	close(u.round.room)
	u.ready = nil
	if u.round.reader != nil {
		go u.round.reader.Close() // which may wait for the Read
	}
}

// goesOn tells, under the mutex, whether a round still counts.
func (u *upload) goesOn(r *round) bool { return u.round == r && u.request != nil }

// run is the goroutine of a round, which begins when that before it has left: both may read one file, whose offset a late
// Read would move.
func (u *upload) run(r, before *round) {
	defer close(r.left)
	if before != nil {
		<-before.left
		if !u.open(r) {
			return
		}
	}
	defer r.reader.Close()
	u.read(r)
}

// open asks for the body once more. Whether the round has a reader.
func (u *upload) open(r *round) bool {
	u.mutex.Lock()
	goesOn := u.goesOn(r)
	u.mutex.Unlock()
	if !goesOn {
		return false
	}
	body, err := again(u.getBody)
	u.mutex.Lock()
	defer u.mutex.Unlock()
	switch {
	case err == nil && u.goesOn(r):
		r.reader = &source{body: body}
		return true
	case err == nil:
		go body.Close()
	case u.goesOn(r):
		u.err = err
		C.ahoy_request_body_ready(u.request, nil)
	}
	return false
}

// again calls a GetBody, and gives an error also where that panics or has nothing.
func again(getBody func() (io.ReadCloser, error)) (body io.ReadCloser, err error) {
	err = refused("the request's GetBody gave no body")
	guard(func() {
		given, failed := getBody()
		if given != nil || failed != nil {
			body, err = given, failed
		}
	})
	return body, err
}

// read fetches one piece after the other, each when the one before was taken.
func (u *upload) read(r *round) {
	left := u.length
	for range r.room {
		buffer := make([]byte, piece)
		count, err := r.reader.Read(buffer)
		if left -= int64(count); u.length > 0 && left <= 0 {
			// With the last of these bytes the call would end well.
			if err = u.ends(r.reader, left, err); err != io.EOF {
				count = 0
			}
		}
		u.mutex.Lock()
		if !u.goesOn(r) {
			u.mutex.Unlock()
			return
		}
		u.ready, u.err = buffer[:count], err
		if count == 0 && err == nil {
			r.room <- struct{}{}
			u.mutex.Unlock()
			continue
		}
		C.ahoy_request_body_ready(u.request, nil)
		u.mutex.Unlock()
		select {
		case u.come <- struct{}{}:
		default:
		}
		if err != nil {
			return
		}
	}
}

// ends is io.EOF where a body ends with its length, of which so much is left; else it says why not. The library asks no
// more when it has that length, so that a longer body would be cut without a word.
func (u *upload) ends(reader io.Reader, left int64, err error) error {
	for left == 0 && err == nil {
		var count int
		count, err = reader.Read(make([]byte, 1))
		left -= int64(count)
	}
	if left < 0 {
		return tooLong(u.length)
	}
	return err
}

//export goProduce
func goProduce(handle C.uintptr_t, buffer *C.uint8_t, capacity C.size_t, length *C.size_t) C.int32_t {
	result := C.int32_t(C.AHOY_BODY_FAILED)
	guard(func() {
		u := cgo.Handle(handle).Value().(*upload)
		u.mutex.Lock()
		defer u.mutex.Unlock()
		if len(u.ready) > 0 {
			count := copy(unsafe.Slice((*byte)(unsafe.Pointer(buffer)), int(capacity)), u.ready)
			u.ready = u.ready[count:]
			*length = C.size_t(count)
			if len(u.ready) == 0 && u.err == nil && u.request != nil {
				u.round.room <- struct{}{}
			}
			result = C.AHOY_BODY_DATA
		} else if u.err == io.EOF {
			result = C.AHOY_BODY_END
		} else if u.err == nil {
			result = C.AHOY_BODY_NOT_READY
		}
	})
	return result
}

// goRewind begins another round, of which nothing is ready yet: neither GetBody nor the end of the round before is to hold
// the library's thread.
//
//export goRewind
func goRewind(handle C.uintptr_t) C.bool {
	well := C.bool(false)
	guard(func() {
		u := cgo.Handle(handle).Value().(*upload)
		u.mutex.Lock()
		defer u.mutex.Unlock()
		if u.request == nil {
			return
		}
		before := u.round
		u.end()
		u.round, u.err = newRound(nil), nil
		go u.run(u.round, before)
		well = true
	})
	return well
}
