package ahoyotel

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	ahoy "github.com/libahoy/libahoy/bindings/go"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/propagation"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
)

// traced sends a GET, and gives the body, the call's span and its parent's id.
func traced(t *testing.T, host, path string) (string, tracetest.SpanStub, trace.SpanID) {
	t.Helper()
	return tracedBy(t, ahoy.Config{Hosts: []string{host}, Timeout: 2 * time.Second}, path)
}

func tracedBy(t *testing.T, config ahoy.Config, path string) (string, tracetest.SpanStub, trace.SpanID) {
	t.Helper()
	exporter := tracetest.NewInMemoryExporter()
	provider := sdk.NewTracerProvider(sdk.WithSyncer(exporter))
	otel.SetTextMapPropagator(propagation.TraceContext{})
	client, err := ahoy.New(config)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, outer := provider.Tracer("test").Start(context.Background(), "outer")
	defer outer.End()
	request, _ := http.NewRequestWithContext(ctx, http.MethodGet, "http://orders"+path, nil)
	response, err := (&http.Client{Transport: Transport(client, provider)}).Do(request)
	text := fmt.Sprint(err)
	if err == nil {
		defer response.Body.Close()
		body, _ := io.ReadAll(response.Body)
		text = string(body)
	}
	if len(exporter.GetSpans()) != 1 {
		t.Fatal(exporter.GetSpans())
	}
	return text, exporter.GetSpans()[0], outer.SpanContext().SpanID()
}

func attributes(span tracetest.SpanStub) map[string]string {
	found := map[string]string{}
	for _, each := range span.Attributes {
		found[string(each.Key)] = each.Value.Emit()
	}
	return found
}

func TestACallOfTwoAttempts(t *testing.T) {
	seen := 0
	server := httptest.NewServer(http.HandlerFunc(func(writer http.ResponseWriter, request *http.Request) {
		if seen++; seen == 1 {
			writer.WriteHeader(503)
			return
		}
		io.WriteString(writer, request.Header.Get("Traceparent"))
	}))
	defer server.Close()
	text, span, outer := traced(t, strings.TrimPrefix(server.URL, "http://"), "/orders?secret=1")
	if span.Name != "GET" || span.SpanKind != trace.SpanKindClient || span.Parent.SpanID() != outer || len(span.Events) != 2 {
		t.Fatalf("%+v", span)
	}
	if want := fmt.Sprintf("00-%s-%s-01", span.SpanContext.TraceID(), span.SpanContext.SpanID()); text != want {
		t.Fatalf("%s, not %s", text, want)
	}
	got := attributes(span)
	if got["http.response.status_code"] != "200" || got["http.request.resend_count"] != "1" || got["url.path"] != "/orders" ||
		"http://"+got["server.address"]+":"+got["server.port"] != server.URL {
		t.Fatal(got)
	}
}

func TestFailures(t *testing.T) {
	listener, _ := net.Listen("tcp", "127.0.0.1:0")
	dead := listener.Addr().String()
	listener.Close()
	_, span, _ := traced(t, dead, "/orders?secret=1")
	if got := attributes(span); !strings.HasPrefix(got["error.type"], "AHOY_E_") || len(span.Events) == 0 {
		t.Fatal(got)
	}
	if strings.Contains(fmt.Sprint(span.Attributes, span.Events), "secret") {
		t.Fatal(span)
	}
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	_, span, _ = traced(t, strings.TrimPrefix(server.URL, "http://"), "/orders")
	if got := attributes(span); got["error.type"] != "404" {
		t.Fatal(got)
	}
}

// The attempts beyond the first 64 are not kept, and count all the same.
func TestACallOfManyAttempts(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(writer http.ResponseWriter, request *http.Request) { writer.WriteHeader(503) }))
	defer server.Close()
	_, span, _ := tracedBy(t, ahoy.Config{Hosts: []string{strings.TrimPrefix(server.URL, "http://")}, Timeout: time.Minute, Tries: 70,
		Options: map[string]string{"retry_budget": "off", "retry_delay": "0s"}}, "/orders")
	if got := attributes(span); got["http.request.resend_count"] != "69" || len(span.Events) != 64 {
		t.Fatal(got, len(span.Events))
	}
}
