module example/ahoy

go 1.19
