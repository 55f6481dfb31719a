module github.com/libahoy/libahoy/bindings/go

go 1.18
