// libahoy's own client.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	ahoy "github.com/libahoy/libahoy/bindings/go"
)

type withAhoy struct{ client *ahoy.Client }

func newAhoy(hosts []string) (service, error) {
	client, err := ahoy.New(ahoy.Config{Hosts: hosts, Timeout: 2 * time.Second})
	return &withAhoy{client}, err
}

func (s *withAhoy) orders(ctx context.Context) (*answer, error) {
	response, err := s.client.Get(ctx, "/orders")
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

func (s *withAhoy) close() { s.client.Close() }
