package ahoy

// #include "bridge.h"
import "C"

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"
	"unsafe"
)

// whole is up to which length a body is handed over at once; a longer one is drawn while it is sent.
const whole = 1 << 20

// RoundTrip sends a request and returns when the head of the answer came, as http.RoundTripper has it. The context's
// deadline and cancelling end the exchange, also while the body is read. With a balancer, the host of the URL is not
// dialled: the balancer says where the request goes. A Host that differs from the URL's is sent as it is.
func (c *Client) RoundTrip(request *http.Request) (*http.Response, error) {
	handle, err := c.live()
	if err == nil {
		err = request.Context().Err()
	}
	if err != nil {
		closeBody(request)
		return nil, err
	}
	defer runtime.KeepAlive(c)
	made, upload, err := c.request(request)
	if err != nil {
		closeBody(request)
		return nil, err
	}
	sent := &sent{made, upload}
	answer, err := c.queue.await(request.Context(), func(tag uint64, err **C.ahoy_error) C.ahoy_status {
		return C.ahoy_client_submit(handle, made, c.queue.handle, C.uint64_t(tag), err)
	})
	if err != nil {
		sent.free()
		return nil, err
	}
	return c.response(request, answer, sent), nil
}

// sent is a request with its body, which may still be on its way when the answer's head came.
type sent struct {
	request *C.ahoy_request
	upload  *upload
}

func (s *sent) free() {
	if s.upload != nil {
		s.upload.detach()
	}
	C.ahoy_request_free(s.request)
}

func closeBody(request *http.Request) {
	if request.Body != nil {
		request.Body.Close()
	}
}

// request makes the library's request, to be freed.
func (c *Client) request(request *http.Request) (*C.ahoy_request, *upload, error) {
	content, err := readWhole(request)
	if err != nil {
		return nil, nil, err
	}
	enter()
	defer leave()
	set := &settings{}
	defer set.free()
	method := request.Method
	if method == "" {
		method = http.MethodGet
	}
	target := request.URL.RequestURI()
	if !c.balanced {
		target = request.URL.Scheme + "://" + request.URL.Host + target
	}
	var made *C.ahoy_request
	set.do(func(err **C.ahoy_error) C.ahoy_status {
		return C.ahoy_request_new(set.text(method), set.text(target), &made, err)
	})
	set.do(func(err **C.ahoy_error) C.ahoy_status { return C.ahoy_request_set_streamed(made, true, err) })
	for name, values := range request.Header {
		if framing[name] {
			continue
		}
		for _, value := range values {
			set.do(func(err **C.ahoy_error) C.ahoy_status {
				return C.ahoy_request_add_header(made, set.text(name), set.text(value), err)
			})
		}
	}
	if request.Host != "" && request.Host != request.URL.Host {
		set.do(func(err **C.ahoy_error) C.ahoy_status {
			return C.ahoy_request_add_header(made, set.text("Host"), set.text(request.Host), err)
		})
	}
	if until, ok := request.Context().Deadline(); ok {
		left := milliseconds(time.Until(until))
		if left < 1 {
			left = 1
		}
		set.do(func(err **C.ahoy_error) C.ahoy_status {
			return C.ahoy_request_set_timeout_ms(made, C.uint64_t(left), err)
		})
	}
	var drawn *upload
	if set.failed == nil {
		drawn, set.failed = setBody(made, request, content)
	}
	if set.failed != nil {
		C.ahoy_request_free(made)
		return nil, nil, set.failed
	}
	return made, drawn, nil
}

// framing is the library's own, and so is the Host of an answerable endpoint.
var framing = map[string]bool{
	"Connection": true, "Content-Length": true, "Transfer-Encoding": true, "Keep-Alive": true, "Upgrade": true,
	"Te": true, "Trailer": true, "Host": true, "Proxy-Connection": true,
}

// readWhole reads a body of known length that is not too large to be held.
func readWhole(request *http.Request) ([]byte, error) {
	// With a body, a length of 0 means that it is unknown.
	if request.Body == nil || request.ContentLength <= 0 || request.ContentLength > whole {
		return nil, nil
	}
	defer request.Body.Close()
	content, err := io.ReadAll(io.LimitReader(request.Body, request.ContentLength+1))
	if err == nil && int64(len(content)) != request.ContentLength {
		err = refused("the body has %d bytes, and ContentLength is %d", len(content), request.ContentLength)
	}
	return content, err
}

func setBody(made *C.ahoy_request, request *http.Request, content []byte) (*upload, error) {
	if request.Body == nil || request.Body == http.NoBody {
		return nil, nil
	}
	if content == nil {
		return attachUpload(made, request)
	}
	bytes := C.CBytes(content)
	defer C.free(bytes)
	var failed *C.ahoy_error
	C.ahoy_request_set_body(made, (*C.uint8_t)(bytes), C.size_t(len(content)), &failed)
	return nil, takeError(failed)
}

// response makes Go's answer of the library's.
func (c *Client) response(request *http.Request, answer *C.ahoy_response, sent *sent) *http.Response {
	enter()
	defer leave()
	status := int(C.ahoy_response_status(answer))
	made := &http.Response{
		Status:        strconv.Itoa(status) + " " + http.StatusText(status),
		StatusCode:    status,
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
		Header:        http.Header{},
		ContentLength: -1,
		Request:       request,
	}
	for i := C.size_t(0); i < C.ahoy_response_header_count(answer); i++ {
		name := C.GoString(C.ahoy_response_header_name_at(answer, i))
		made.Header.Add(name, C.GoString(C.ahoy_response_header_value_at(answer, i)))
	}
	if coding := strings.ToLower(made.Header.Get("Content-Encoding")); decoded[coding] && request.Header.Get("Accept-Encoding") == "" {
		made.Header.Del("Content-Encoding")
		made.Header.Del("Content-Length")
		made.Uncompressed = true
	}
	if length, err := strconv.ParseInt(made.Header.Get("Content-Length"), 10, 64); err == nil {
		made.ContentLength = length
	}
	read := &body{client: c, sent: sent, response: answer, ctx: request.Context(), attempts: readAttempts(answer)}
	runtime.SetFinalizer(read, func(b *body) { b.Close() })
	made.Body = read
	return made
}

var decoded = map[string]bool{"gzip": true, "x-gzip": true, "br": true, "zstd": true}

func readAttempts(answer *C.ahoy_response) []Attempt {
	var attempts []Attempt
	for i := C.size_t(0); i < C.ahoy_response_attempt_count(answer); i++ {
		if attempt := C.ahoy_response_attempt_at(answer, i); attempt != nil {
			attempts = append(attempts, readAttempt(attempt))
		}
	}
	return attempts
}

// Attempts tells what was tried for an answer of this package; nil for any other.
func Attempts(response *http.Response) []Attempt {
	if body, ok := response.Body.(*body); ok {
		return body.attempts
	}
	return nil
}

// body is an answer's body, which is read while it comes.
type body struct {
	client   *Client
	sent     *sent
	ctx      context.Context
	attempts []Attempt

	mutex    sync.Mutex
	response *C.ahoy_response
	rest     bytes.Buffer
	err      error
}

const piece = 64 << 10

// Read waits for bytes, in Go's scheduler.
func (b *body) Read(into []byte) (int, error) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	if len(into) == 0 {
		return 0, nil
	}
	for b.rest.Len() == 0 && b.err == nil {
		b.err = b.fill()
	}
	if b.rest.Len() > 0 {
		return b.rest.Read(into)
	}
	return 0, b.err
}

func (b *body) fill() error {
	if b.response == nil {
		return http.ErrBodyReadAfterClose
	}
	if err := b.ctx.Err(); err != nil {
		b.free()
		return err
	}
	buffer := pieces.Get().(*[piece]byte)
	defer pieces.Put(buffer)
	var length C.size_t
	var ended C.bool
	var err *C.ahoy_error
	enter()
	status := C.ahoy_response_read(b.response, (*C.uint8_t)(unsafe.Pointer(buffer)), piece, 0, &length, &ended, &err)
	leave()
	if status != 0 {
		return asReader(takeError(err))
	}
	b.rest.Write(buffer[:length])
	if ended {
		b.free()
		return io.EOF
	}
	if length > 0 {
		return nil
	}
	response := b.response
	_, failed := b.client.queue.await(b.ctx, func(tag uint64, err **C.ahoy_error) C.ahoy_status {
		return C.ahoy_response_notify(response, b.client.queue.handle, C.uint64_t(tag), err)
	})
	if failed != nil {
		b.free()
	}
	return failed
}

var pieces = sync.Pool{New: func() any { return new([piece]byte) }}

// asReader gives what Go's readers expect of a body that broke off.
func asReader(err error) error {
	if failed, ok := err.(*Error); ok && failed.Code == ConnectionLost {
		return &brokenOff{failed}
	}
	return err
}

// brokenOff is an Error that is io.ErrUnexpectedEOF as well.
type brokenOff struct{ failed *Error }

func (b *brokenOff) Error() string        { return b.failed.Error() }
func (b *brokenOff) Unwrap() error        { return b.failed }
func (b *brokenOff) Is(target error) bool { return target == io.ErrUnexpectedEOF }

// Close ends the exchange; the server sees the connection close if the body is not whole.
func (b *body) Close() error {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	b.free()
	b.rest.Reset()
	b.err = http.ErrBodyReadAfterClose
	return nil
}

func (b *body) free() {
	if b.response != nil {
		enter()
		C.ahoy_response_free(b.response)
		b.sent.free()
		leave()
		b.response = nil
	}
}
