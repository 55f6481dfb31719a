// Package ahoyotel makes spans of the calls of an ahoy.Client for OpenTelemetry.
package ahoyotel

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"

	ahoy "github.com/libahoy/libahoy/bindings/go"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

type transport struct {
	client *ahoy.Client
	tracer trace.Tracer
}

// Transport gives a client whose calls are spans: http.Client{Transport: ahoyotel.Transport(client, nil)}.
//
// Each call is an HTTP client span by the semantic conventions, from the request to the answer's head; its id goes to the
// servers by the propagator that the program has set. Its attempts are events of the span, told when the call ended. A
// provider of nil is the program's global one.
func Transport(client *ahoy.Client, provider trace.TracerProvider) http.RoundTripper {
	if provider == nil {
		provider = otel.GetTracerProvider()
	}
	return &transport{client, provider.Tracer("github.com/libahoy/libahoy/bindings/go")}
}

// RoundTrip sends a request, inside a span.
func (t *transport) RoundTrip(request *http.Request) (*http.Response, error) {
	// The path is without its query, which may hold secrets.
	ctx, span := t.tracer.Start(request.Context(), request.Method, trace.WithSpanKind(trace.SpanKindClient),
		trace.WithAttributes(attribute.String("http.request.method", request.Method), attribute.String("url.path", request.URL.Path)))
	defer span.End()
	request = request.Clone(ctx)
	otel.GetTextMapPropagator().Inject(ctx, propagation.HeaderCarrier(request.Header))
	response, err := t.client.RoundTrip(request)
	if err != nil {
		kind := "other"
		var failed *ahoy.Error
		if errors.As(err, &failed) {
			kind = failed.Code.String()
			tell(span, failed.Attempts, failed.AttemptCount)
		}
		fail(span, kind, err.Error())
		return nil, err
	}
	tell(span, ahoy.Attempts(response), ahoy.AttemptCount(response))
	span.SetAttributes(attribute.Int("http.response.status_code", response.StatusCode))
	if response.StatusCode >= 400 {
		fail(span, strconv.Itoa(response.StatusCode), "")
	}
	return response, nil
}

// CloseIdleConnections is there for http.Client.
func (t *transport) CloseIdleConnections() { t.client.CloseIdleConnections() }

// tell has the attempts that are kept, and the count of all.
func tell(span trace.Span, attempts []ahoy.Attempt, count int) {
	for i, attempt := range attempts {
		told := append(server(attempt.URL),
			attribute.Float64("ahoy.elapsed_ms", float64(attempt.Elapsed)/float64(time.Millisecond)),
			attribute.Bool("ahoy.hedge", attempt.Hedge))
		if attempt.Status != 0 {
			told = append(told, attribute.Int("http.response.status_code", attempt.Status))
		} else {
			told = append(told, attribute.String("error.type", attempt.Code.String()))
		}
		span.AddEvent("attempt", trace.WithAttributes(told...))
		if i == len(attempts)-1 {
			span.SetAttributes(server(attempt.URL)...)
		}
	}
	if count > 1 {
		span.SetAttributes(attribute.Int("http.request.resend_count", count-1))
	}
}

func server(endpoint string) []attribute.KeyValue {
	at, err := url.Parse(endpoint)
	if err != nil {
		return nil
	}
	port, _ := strconv.Atoi(at.Port())
	if port == 0 {
		port = map[string]int{"http": 80, "https": 443}[at.Scheme]
	}
	return []attribute.KeyValue{attribute.String("server.address", at.Hostname()), attribute.Int("server.port", port)}
}

func fail(span trace.Span, kind, message string) {
	span.SetAttributes(attribute.String("error.type", kind))
	span.SetStatus(codes.Error, message)
}
