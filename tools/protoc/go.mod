// The plugins with which protoc writes the Go code of core/pluginapi/proto, run
// by scripts/generate-proto. It is a module of its own so that nothing of it
// enters the module graph of rackswarm.
module github.com/rackswarm/rackswarm/tools/protoc

go 1.26.0

tool (
	google.golang.org/grpc/cmd/protoc-gen-go-grpc
	google.golang.org/protobuf/cmd/protoc-gen-go
)

require (
	google.golang.org/grpc/cmd/protoc-gen-go-grpc v1.6.2 // indirect
	google.golang.org/protobuf v1.36.12 // indirect
)
