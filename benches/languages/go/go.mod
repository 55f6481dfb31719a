module github.com/libahoy/libahoy/benches/languages/go

go 1.18

require github.com/libahoy/libahoy/bindings/go v0.0.0

replace github.com/libahoy/libahoy/bindings/go => ../../../bindings/go
