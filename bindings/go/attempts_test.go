package ahoy

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"
)

// The first 64 attempts are told, and the count of all.
func TestMoreAttemptsThanAreKept(t *testing.T) {
	host := here(t, func(writer http.ResponseWriter, request *http.Request) {
		if request.URL.Path == "/status" {
			writer.WriteHeader(503)
			return
		}
		connection, _, _ := writer.(http.Hijacker).Hijack()
		connection.Close()
	})
	client := client(t, Config{Hosts: []string{host}, Timeout: time.Minute, Tries: 70, Options: map[string]string{
		"retry_budget": "off", "retry_delay": "0s"}})
	response, err := client.Get(context.Background(), "/status")
	text(t, response, err)
	if len(Attempts(response)) != 64 || AttemptCount(response) != 70 {
		t.Fatal(len(Attempts(response)), AttemptCount(response))
	}
	_, err = client.Get(context.Background(), "/cut")
	var failed *Error
	if !errors.As(err, &failed) || len(failed.Attempts) != 64 || failed.AttemptCount != 70 {
		t.Fatal(err, failed.AttemptCount)
	}
}
