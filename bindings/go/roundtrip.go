package ahoy

// #include "bridge.h"
import "C"

import (
	"context"
	"net/http"
	"runtime"
	"strconv"
	"strings"
)

// RoundTrip sends a request and returns when the head of the answer came, as http.RoundTripper has it; an answer that may
// be tried again, which by default is one of status 429, 500 or 502 to 599, is held until it is whole. The context's
// deadline and cancelling end the exchange, also while the body is read and while nobody reads it. With a balancer, the host
// of the URL is not dialled: the balancer says where the request goes. A Host that differs from the URL's is sent as it is.
//
// Where the call fails, nothing reads the request's body any more, unless a Read goes on for a second after its Close.
func (c *Client) RoundTrip(request *http.Request) (*http.Response, error) {
	if request.Cancel != nil {
		return c.cancellable(request)
	}
	return c.roundTrip(request)
}

// cancellable sends a request that has a Cancel beside its context. (http.Client has one for its Timeout.)
func (c *Client) cancellable(request *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancel(request.Context())
	go func() {
		select {
		case <-request.Cancel:
			cancel()
		case <-ctx.Done():
		}
	}()
	response, err := c.roundTrip(request.WithContext(ctx))
	if err != nil {
		cancel()
		return nil, err
	}
	response.Request = request
	response.Body.(*body).onEnd(cancel)
	return response, nil
}

func (c *Client) roundTrip(request *http.Request) (*http.Response, error) {
	if request.URL == nil {
		closeBody(request)
		return nil, refused("the request has no URL")
	}
	if request.Body == nil && request.ContentLength != 0 {
		return nil, refused("ContentLength is %d, and Body is nil", request.ContentLength)
	}
	err := request.Context().Err()
	if c.isClosed() {
		err = ErrClosed
	}
	if err != nil {
		closeBody(request)
		return nil, err
	}
	defer runtime.KeepAlive(c)
	asked, err := c.read(request)
	if err != nil {
		return nil, err
	}
	sent, err := asked.drawn(request)
	if err != nil {
		closeBody(request)
		return nil, err
	}
	answer, err := c.exchange(request.Context(), asked, sent)
	if err != nil {
		err = sent.because(err)
		sent.free()
		sent.settle()
		return nil, err
	}
	return c.response(request, answer, sent), nil
}

// exchange sends a request and waits for the head of its answer.
func (c *Client) exchange(ctx context.Context, asked *asked, sent *upload) (*C.ahoy_response, error) {
	defer c.company.leave()
	if c.company.join() && sent == nil {
		return c.call(ctx, asked)
	}
	return c.queue.await(ctx, func(tag uint64, err **C.ahoy_error) C.ahoy_status {
		if sent != nil {
			return C.ahoy_client_submit(c.handle, sent.request, c.queue.handle, C.uint64_t(tag), err)
		}
		return C.ahoy_go_send(c.handle, asked.head(), asked.fields, asked.content(), C.size_t(len(asked.body)), asked.timeout,
			asked.idle, c.queue.handle, C.uint64_t(tag), err)
	})
}

func closeBody(request *http.Request) {
	if request.Body != nil {
		request.Body.Close()
	}
}

// response makes Go's answer of the library's, with what came of the body.
func (c *Client) response(request *http.Request, answer *C.ahoy_response, sent *upload) *http.Response {
	buffer := pieces.Get().(*[piece]byte)
	defer pieces.Put(buffer)
	read := &body{held: &held{sent: sent, response: answer}, client: c, ctx: request.Context()}
	into := buffer[:]
	found, err := read.begin(into)
	if int(found.head) >= len(into) {
		into = make([]byte, found.head+piece)
		found, err = read.begin(into)
	}
	status := int(found.status)
	// The library does not tell which version of HTTP the server spoke.
	made := &http.Response{
		Status:        strconv.Itoa(status) + " " + http.StatusText(status),
		StatusCode:    status,
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
		ContentLength: -1,
		Request:       request,
		Body:          read,
	}
	head := packed{string(into[:found.head])}
	made.Header = head.header(int(found.fields))
	read.attempts, read.made = head.attempts(int(found.attempts)), int(found.made)
	read.keep(into[found.head:][:found.length], bool(found.ended), err)
	// What the library decoded has neither encoding nor length any more. It does not tell that it did, so Uncompressed stays
	// false: a body may lack both in other ways too.
	if request.Method != http.MethodHead && (status == http.StatusNoContent || status == http.StatusNotModified) {
		made.ContentLength = 0
	} else if length, err := strconv.ParseInt(made.Header.Get("Content-Length"), 10, 64); err == nil {
		made.ContentLength = length
	}
	if strings.EqualFold(made.Header.Get("Transfer-Encoding"), "chunked") {
		made.TransferEncoding = []string{"chunked"}
		made.Header.Del("Transfer-Encoding")
	}
	if strings.EqualFold(made.Header.Get("Connection"), "close") {
		made.Close = true
		made.Header.Del("Connection")
	}
	return made
}

// Attempts tells what was tried for an answer of this package, the first 64 of it; nil for any other, and for one whose Body was wrapped: an
// http.Client that has a Timeout does so. The deadline of a context, or Config.Timeout, does not.
func Attempts(response *http.Response) []Attempt {
	if body, ok := response.Body.(*body); ok {
		return body.attempts
	}
	return nil
}

// AttemptCount is how many attempts were made for such an answer, also beyond those that Attempts tells.
func AttemptCount(response *http.Response) int {
	if body, ok := response.Body.(*body); ok {
		return body.made
	}
	return 0
}
