module github.com/libahoy/libahoy/bindings/go/opentelemetry

go 1.18

require (
	github.com/libahoy/libahoy/bindings/go v0.1.0
	go.opentelemetry.io/otel v1.1.0
	go.opentelemetry.io/otel/trace v1.1.0
)

replace github.com/libahoy/libahoy/bindings/go => ../
