package ahoy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// An Opaque with a host goes to the host of the URL, and a server learns the other one, as with net/http.
func TestAnOpaqueURLMayNameItsHost(t *testing.T) {
	host := here(t, func(writer http.ResponseWriter, request *http.Request) {
		fmt.Fprint(writer, request.Host, " ", request.URL.RequestURI())
	})
	transports := []http.RoundTripper{&http.Transport{}, client(t, Config{Hosts: []string{host}}), client(t, Config{})}
	for _, opaque := range []string{"//" + host + "/a%2Fb", "//other.example:81/a%2Fb", "//other.example", "/a%2Fb"} {
		for _, query := range []string{"", "q=1"} {
			seen := []string{}
			for _, one := range transports {
				request, _ := http.NewRequest(http.MethodGet, "http://"+host+"/p", nil)
				request.URL = &url.URL{Scheme: "http", Host: host, Opaque: opaque, RawQuery: query}
				response, err := one.RoundTrip(request)
				// Of an empty path, which no request line has, net/http sends none.
				seen = append(seen, strings.Replace(text(t, response, err), " ?", " /?", 1))
			}
			if seen[0] != seen[1] || seen[0] != seen[2] {
				t.Errorf("%s?%s: %q", opaque, query, seen)
			}
		}
	}
}

// A Request's Cancel ends its exchange beside the context, also while the body is read.
func TestTheCancelOfARequest(t *testing.T) {
	asked, over := make(chan struct{}, 10), make(chan struct{}, 10)
	host := here(t, func(writer http.ResponseWriter, request *http.Request) {
		if request.URL.Path == "/ok" {
			return
		}
		if request.URL.Path == "/body" {
			writer.(http.Flusher).Flush()
		}
		asked <- struct{}{}
		<-request.Context().Done()
		over <- struct{}{}
	})
	client := client(t, Config{Hosts: []string{host}, Timeout: time.Minute, AttemptTimeout: time.Minute})
	for _, path := range []string{"/head", "/body"} {
		cancel := make(chan struct{})
		request, _ := http.NewRequest(http.MethodGet, "http://orders"+path, nil)
		request.Cancel = cancel
		go func() { <-asked; close(cancel) }()
		limit, stop := context.WithTimeout(context.Background(), 20*time.Second)
		defer stop()
		response, err := client.RoundTrip(request.WithContext(limit))
		if err == nil {
			if response.Request.Context() != limit || response.Request.Cancel == nil {
				t.Fatal("the answer is of another request")
			}
			_, err = io.ReadAll(response.Body)
		}
		if !errors.Is(err, context.Canceled) {
			t.Fatal(path, err)
		}
		<-over
	}
	for i := 0; i < 20; i++ {
		request, _ := http.NewRequest(http.MethodGet, "http://orders/ok", nil)
		request.Cancel = make(chan struct{})
		response, err := client.RoundTrip(request)
		text(t, response, err)
	}
	eventually(t, 5*time.Second, func() bool { return goroutinesIn("(*Client).cancellable") == 0 })
}
