package jwtkeeper

import (
	"bufio"
	"io"
	"net"
	"net/http"
)

// responseWriter keeps caches from storing a response with a token, whatever Cache-Control the handler sets. It passes
// on what handlers expect of a writer: Flush, Hijack, ReadFrom, and Unwrap for http.NewResponseController.
type responseWriter struct {
	http.ResponseWriter
}

// seal precedes everything that sends the headers.
func (writer responseWriter) seal() {
	if headers := writer.Header(); headers.Get("Authorization") != "" {
		headers.Set("Cache-Control", "no-store")
	}
}

func (writer responseWriter) WriteHeader(status int) {
	writer.seal()
	writer.ResponseWriter.WriteHeader(status)
}

func (writer responseWriter) Write(body []byte) (int, error) {
	writer.seal()
	return writer.ResponseWriter.Write(body)
}

func (writer responseWriter) ReadFrom(body io.Reader) (int64, error) {
	writer.seal()
	return io.Copy(writer.ResponseWriter, body)
}

func (writer responseWriter) Flush() {
	writer.seal()
	if flusher, ok := find[http.Flusher](writer.ResponseWriter); ok {
		flusher.Flush()
	}
}

func (writer responseWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	if hijacker, ok := find[http.Hijacker](writer.ResponseWriter); ok {
		return hijacker.Hijack()
	}
	return nil, nil, http.ErrNotSupported
}

func (writer responseWriter) Unwrap() http.ResponseWriter { return writer.ResponseWriter }

// find looks for an interface under the wrappers of other middleware.
func find[Wanted any](writer http.ResponseWriter) (Wanted, bool) {
	for {
		if found, ok := writer.(Wanted); ok {
			return found, true
		}
		wrapper, ok := writer.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			var none Wanted
			return none, false
		}
		writer = wrapper.Unwrap()
	}
}
