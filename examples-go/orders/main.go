// A service on net/http that calls another service, over whose hosts it balances:
//
//	ORDERS=10.0.0.7:80,10.0.0.8:80 PORT=8080 go run .
package main

import (
	"context"
	"encoding/json"
	"errors"
	"log"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	ahoy "github.com/libahoy/libahoy/bindings/go"
)

type service struct{ orders *ahoy.Client }

func (s *service) customer(writer http.ResponseWriter, request *http.Request) {
	number, err := strconv.Atoi(strings.TrimPrefix(request.URL.Path, "/customers/"))
	if err != nil {
		http.NotFound(writer, request)
		return
	}
	// The inbound request's limit, if it has one, is that of the call as well. When the peer that asked goes, the
	// request's context ends, and so does the call.
	limit := 2 * time.Second
	if seconds, err := strconv.ParseFloat(request.Header.Get("X-Timeout"), 64); err == nil {
		limit = time.Duration(seconds * float64(time.Second))
	}
	ctx, cancel := context.WithTimeout(request.Context(), limit)
	defer cancel()
	answer, err := s.orders.Get(ctx, "/orders?customer="+strconv.Itoa(number))
	if err != nil {
		fail(writer, err)
		return
	}
	defer answer.Body.Close()
	told := map[string]any{}
	if err := json.NewDecoder(answer.Body).Decode(&told); err != nil {
		fail(writer, err)
		return
	}
	told["customer"] = number
	writer.Header().Set("Content-Type", "application/json")
	json.NewEncoder(writer).Encode(told)
}

func fail(writer http.ResponseWriter, err error) {
	log.Print(err)
	status := http.StatusBadGateway
	if errors.Is(err, context.DeadlineExceeded) {
		status = http.StatusGatewayTimeout
	}
	http.Error(writer, http.StatusText(status), status)
}

func (s *service) metrics(writer http.ResponseWriter, _ *http.Request) {
	text, err := s.orders.Metrics()
	if err != nil {
		fail(writer, err)
		return
	}
	writer.Header().Set("Content-Type", "application/openmetrics-text; version=1.0.0; charset=utf-8")
	writer.Write([]byte(text))
}

func main() {
	orders, err := ahoy.New(ahoy.Config{Hosts: strings.Split(os.Getenv("ORDERS"), ","), Timeout: 2 * time.Second})
	if err != nil {
		log.Fatal(err)
	}
	defer orders.Close()
	s := &service{orders}
	http.HandleFunc("/customers/", s.customer)
	http.HandleFunc("/metrics", s.metrics)
	server := &http.Server{Addr: "127.0.0.1:" + os.Getenv("PORT")}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	go func() {
		<-ctx.Done()
		server.Shutdown(context.Background())
	}()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		log.Print(err)
	}
}
