// The conformance app of Go: what tests/session_flow.json says, with examples/go's middleware.
package main

import (
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"

	"jwtkeeper.example/jwtkeeper"
)

func main() {
	deadline, err := strconv.Atoi(os.Getenv("JWTKEEPER_TEST_DEADLINE_MS"))
	if err != nil {
		log.Fatal(err)
	}
	client, err := jwtkeeper.New(jwtkeeper.Options{
		Realm:    os.Getenv("JWTKEEPER_TEST_REALM"),
		Deadline: time.Duration(deadline) * time.Millisecond,
	})
	if err != nil {
		log.Fatal(err)
	}
	whole := http.HandlerFunc(func(writer http.ResponseWriter, request *http.Request) {
		writer.Header().Set("Content-Type", "application/json")
		// A response with a token is not stored all the same.
		writer.Header().Set("Cache-Control", "public, max-age=60")
		_, _ = writer.Write(jwtkeeper.Of(request).Claims)
	})
	regenerate := func(request *http.Request, old []byte) []byte {
		return []byte(request.Header.Get("X-Regenerate"))
	}
	http.Handle("/", client.Protect(whole, regenerate))
	http.HandleFunc("/open", func(writer http.ResponseWriter, request *http.Request) { fmt.Fprint(writer, "open") })
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("listening %d\n", listener.Addr().(*net.TCPAddr).Port)
	log.Fatal(http.Serve(listener, nil))
}
