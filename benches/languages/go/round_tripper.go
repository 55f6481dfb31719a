// An http.Client whose transport is libahoy.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	ahoy "github.com/libahoy/libahoy/bindings/go"
)

type roundTripper struct{ client *http.Client }

func newRoundTripper(hosts []string) (service, error) {
	transport, err := ahoy.New(ahoy.Config{Hosts: hosts})
	return &roundTripper{&http.Client{Transport: transport, Timeout: 2 * time.Second}}, err
}

func (s *roundTripper) orders(ctx context.Context) (*answer, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://orders/orders", nil)
	if err != nil {
		return nil, err
	}
	response, err := s.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode >= 400 {
		return nil, fmt.Errorf("%s", response.Status)
	}
	got := &answer{}
	return got, json.NewDecoder(response.Body).Decode(got)
}

func (s *roundTripper) close() { s.client.Transport.(*ahoy.Client).Close() }
