// net/http, and what has to be written around it.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

type netHTTP struct {
	hosts    []string
	turn     int
	outUntil map[string]time.Time
	mutex    sync.Mutex
	client   *http.Client
}

func newNetHTTP(hosts []string) (service, error) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 100 // its default, 2, closes connections of calls at once
	return &netHTTP{hosts: hosts, outUntil: map[string]time.Time{}, client: &http.Client{Transport: transport}}, nil
}

func (s *netHTTP) choose(tried map[string]bool) string {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	var left, well []string
	for _, host := range s.hosts {
		if !tried[host] {
			left = append(left, host)
			if time.Now().After(s.outUntil[host]) {
				well = append(well, host)
			}
		}
	}
	if len(well) == 0 {
		well = left
	}
	s.turn++
	return well[s.turn%len(well)]
}

func (s *netHTTP) ask(ctx context.Context, host string) (got *answer, again bool, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+host+"/orders", nil)
	if err != nil {
		return nil, false, err
	}
	response, err := s.client.Do(request)
	if err != nil {
		return nil, true, err
	}
	defer response.Body.Close()
	if response.StatusCode >= 400 {
		io.Copy(io.Discard, response.Body)
		return nil, response.StatusCode >= 500, fmt.Errorf("%s answered %d", host, response.StatusCode)
	}
	got = &answer{}
	if err = json.NewDecoder(response.Body).Decode(got); err != nil {
		return nil, true, err
	}
	io.Copy(io.Discard, response.Body) // or the connection is not used again
	return got, false, nil
}

func (s *netHTTP) orders(ctx context.Context) (*answer, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	tried := map[string]bool{}
	for {
		host := s.choose(tried)
		tried[host] = true
		got, again, err := s.ask(ctx, host)
		if err == nil {
			return got, nil
		}
		s.mutex.Lock()
		s.outUntil[host] = time.Now().Add(time.Second)
		s.mutex.Unlock()
		if !again || len(tried) == len(s.hosts) || ctx.Err() != nil {
			return nil, err
		}
	}
}

func (s *netHTTP) close() { s.client.CloseIdleConnections() }
