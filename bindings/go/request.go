package ahoy

// #include "bridge.h"
import "C"

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
	"unsafe"
)

// whole is up to which length a body is handed over at once; a longer one is drawn while it is sent.
const whole = 1 << 20

// asked is a request as the library takes it in one call.
type asked struct {
	text    []byte // method, target, and the fields' names and values, each with a NUL at its end
	fields  C.size_t
	body    []byte
	timeout C.uint64_t // in milliseconds, 0 for none
	idle    C.uint64_t // the limit on pauses of the answer's body, the same
}

// read makes a request ready, and reads its body where that is to be handed over at once. Where it fails, the body is closed.
func (c *Client) read(request *http.Request) (*asked, error) {
	begun := time.Now()
	content, limit, err := c.readWhole(request)
	if err != nil {
		return nil, err
	}
	made := &asked{body: content, text: make([]byte, 0, 256)}
	method := request.Method
	if method == "" {
		method = http.MethodGet
	}
	target, host := aim(request)
	target = escaped(target)
	if !c.isBalanced() {
		if err := checkHost(request.URL); err != nil {
			closeBody(request)
			return nil, err
		}
		target = request.URL.Scheme + "://" + request.URL.Host + target
	}
	for _, one := range [...]string{method, target, host} {
		if strings.IndexByte(one, 0) >= 0 {
			closeBody(request)
			return nil, refused("the method or the host has a NUL")
		}
	}
	made.add(method)
	made.add(target)
	for name, values := range request.Header {
		if framing[name] {
			continue
		}
		for _, value := range values {
			// By which net/http leaves the field out. The library cannot, and sends its own rather than an empty one.
			if value == "" && name == "User-Agent" {
				continue
			}
			if strings.IndexByte(name, 0) >= 0 || strings.IndexByte(value, 0) >= 0 {
				closeBody(request)
				return nil, refused("the header %q has a NUL", name)
			}
			made.field(name, value)
		}
	}
	if host != "" && host != request.URL.Host {
		made.field("Host", host)
	}
	until, ok := request.Context().Deadline()
	// The context ends such a body, as it does with net/http. The library's 60 s are for one that nothing else ends.
	if ok && atomic.LoadInt32(&c.pauses) == 0 {
		made.idle = C.AHOY_FOREVER
	}
	if own := begun.Add(limit); limit > 0 && (!ok || own.Before(until)) {
		until, ok = own, true
	}
	if ok {
		made.timeout = 1
		if left := milliseconds(time.Until(until)); left > 1 {
			made.timeout = C.uint64_t(left)
		}
	}
	return made, nil
}

// aim gives the path with its query, and what the Host field says. An Opaque of //host/path is sent as a whole URL by
// net/http, whose host a server takes for that of the field.
func aim(request *http.Request) (target, host string) {
	target = request.URL.RequestURI()
	if !strings.HasPrefix(request.URL.Opaque, "//") {
		return target, request.Host
	}
	target = strings.TrimPrefix(target, request.URL.Scheme+"://")
	end := strings.IndexAny(target+"/", "/?")
	host, target = target[:end], target[end:]
	if !strings.HasPrefix(target, "/") {
		target = "/" + target
	}
	return target, host
}

// escaped is a target with those bytes percent-encoded that the library refuses, for no request line can carry them.
// RequestURI has a query as it was written. All else stays as it is: a server may tell %7C from |.
func escaped(target string) string {
	inQuery, from := false, 0
	var made strings.Builder
	for i := 0; i < len(target); i++ {
		switch one := target[i]; {
		case one == '?':
			inQuery = true
		case one <= ' ' || one >= 0x7f || one == '#' || one == '<' || one == '>' || one == '`' && !inQuery || one == '"' && inQuery:
			fmt.Fprintf(&made, "%s%%%02X", target[from:i], one)
			from = i + 1
		}
	}
	if from == 0 {
		return target
	}
	return made.String() + target[from:]
}

// checkHost tells what no connection can be made to. The library would say so as well, of a text that nobody wrote.
func checkHost(whole *url.URL) error {
	if whole.Host == "" {
		return refused("%q is no whole URL, and the client has no hosts", whole.Redacted())
	}
	for i := 0; i < len(whole.Host); i++ {
		if whole.Host[i] >= 0x80 {
			return refused("the host %q is not ASCII: give it in its ASCII form, whose labels begin with xn--", whole.Host)
		}
	}
	return nil
}

func (a *asked) add(text string) {
	a.text = append(append(a.text, text...), 0)
}

func (a *asked) field(name, value string) {
	a.add(name)
	a.add(value)
	a.fields++
}

func (a *asked) head() *C.char { return (*C.char)(unsafe.Pointer(&a.text[0])) }

func (a *asked) content() *C.uint8_t {
	if len(a.body) == 0 {
		return nil
	}
	return (*C.uint8_t)(unsafe.Pointer(&a.body[0]))
}

// drawn is the library's request for a body that is drawn while it is sent; nil for any other.
func (a *asked) drawn(request *http.Request) (*upload, error) {
	if request.Body == nil || request.Body == http.NoBody || a.body != nil {
		return nil, nil
	}
	var made *C.ahoy_request
	var err *C.ahoy_error
	if C.ahoy_go_request(a.head(), a.fields, nil, 0, a.timeout, a.idle, &made, &err) != 0 {
		return nil, takeError(err)
	}
	sent, failed := attachUpload(made, request)
	if failed == nil && maybeNone(request) && sent.isEmpty(request.Context()) {
		sent.free()
		return nil, nil
	}
	return sent, failed
}

// maybeNone tells whether a request mostly has no body, so that a reader of unknown length may well be empty. Servers are
// confused by a body of no bytes with these methods, so net/http looks first too.
func maybeNone(request *http.Request) bool {
	if request.ContentLength > 0 || len(request.TransferEncoding) > 0 {
		return false
	}
	switch request.Method {
	case "", http.MethodGet, http.MethodHead, http.MethodDelete, http.MethodOptions, "PROPFIND", "SEARCH":
		return true
	}
	return false
}

// framing is the library's own, and so is the Host of an answerable endpoint.
var framing = map[string]bool{
	"Connection": true, "Content-Length": true, "Transfer-Encoding": true, "Keep-Alive": true, "Upgrade": true,
	"Te": true, "Trailer": true, "Host": true, "Proxy-Connection": true,
}

// readWhole reads a body of known length that is not too large to be held. The call's limits count meanwhile: the context's,
// and the client's, which is given where some of it went by.
func (c *Client) readWhole(request *http.Request) ([]byte, time.Duration, error) {
	// With a body, a length of 0 means that it is unknown.
	if request.Body == nil || request.Body == http.NoBody || request.ContentLength <= 0 || request.ContentLength > whole {
		return nil, 0, nil
	}
	from := &source{body: request.Body}
	come := make(chan arrived, 1)
	go func() {
		all := readAll(from, request.ContentLength)
		from.Close()
		come <- all
	}()
	late := time.NewTimer(patience * time.Millisecond)
	defer late.Stop()
	select {
	case all := <-come:
		return all.content, 0, all.err
	case <-late.C:
	}
	var over <-chan time.Time
	limit := c.limit()
	if limit > 0 {
		late.Reset(limit - patience*time.Millisecond)
		over = late.C
	}
	var err error
	select {
	case all := <-come:
		return all.content, limit, all.err
	case <-request.Context().Done():
		err = request.Context().Err()
	case <-c.closing:
		err = ErrClosed
	case <-over:
		err = &Error{Code: Deadline, Message: fmt.Sprintf("the request's body has not come within the call's limit of %v", limit)}
	}
	go from.Close() // which may wait for the Read
	select {
	case <-come:
	case <-time.After(grace):
	}
	return nil, 0, err
}

// arrived is what a body had, or why it has no more.
type arrived struct {
	content []byte
	err     error
}

func readAll(from io.Reader, length int64) arrived {
	content, err := io.ReadAll(io.LimitReader(from, length+1))
	if err == nil && int64(len(content)) > length {
		err = tooLong(length)
	} else if err == nil && int64(len(content)) < length {
		err = refused("the body has %d bytes, and ContentLength is %d", len(content), length)
	}
	return arrived{content, err}
}

func tooLong(length int64) error {
	return refused("the body has more bytes than the %d of ContentLength", length)
}

// limit is the client's on a whole call, 0 for none.
func (c *Client) limit() time.Duration {
	settings, err := c.inEffect()
	if err != nil {
		return 0
	}
	limit, _ := time.ParseDuration(settings.Timeout) // "forever" is none
	return limit
}
