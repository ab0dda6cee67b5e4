module clients

go 1.25.0

require github.com/go-kafka/connect v0.9.0

require (
	github.com/onsi/ginkgo v1.16.5 // indirect
	github.com/onsi/gomega v1.44.0 // indirect
)
