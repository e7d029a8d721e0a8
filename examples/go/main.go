// Login, profile and logout with net/http. Run `make run` in another terminal, and then in the project's root:
//
//	JWTKEEPER_SOCKET=target/dev/jwtkeeper.sock examples/go/run
//
//	curl -i -d '{"user":"demo","password":"demo"}' localhost:8080/login
//	TOKEN=...          # what stands behind "Authorization: Bearer" there
//	curl -i -H "Authorization: Bearer $TOKEN" localhost:8080/profile
//	target/release/jwtkeeperctl --socket target/dev/jwtkeeper.sock flag --subject demo   # the next profile brings a new token
//	curl -i -H "Authorization: Bearer $TOKEN" -X POST localhost:8080/logout
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"time"

	"jwtkeeper.example/jwtkeeper"
)

func main() {
	client, err := jwtkeeper.New(jwtkeeper.Options{Deadline: 2 * time.Second})
	if err != nil {
		log.Fatal(err)
	}
	http.HandleFunc("/login", func(writer http.ResponseWriter, request *http.Request) {
		var login struct{ User, Password string }
		if json.NewDecoder(request.Body).Decode(&login) != nil || login.User != "demo" || login.Password != "demo" {
			http.Error(writer, "wrong user or password", http.StatusUnauthorized)
			return
		}
		claims, _ := json.Marshal(map[string]string{"sub": login.User})
		minted, err := client.Issue(request.Context(), claims)
		if err != nil {
			notNow(writer, err)
			return
		}
		minted.Write(writer)
		writer.WriteHeader(http.StatusNoContent)
	})
	profile := func(writer http.ResponseWriter, request *http.Request) {
		var claims struct{ Sub string }
		_ = jwtkeeper.Of(request).Decode(&claims) // the daemon's JSON is good
		writer.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(writer).Encode(map[string]string{"user": claims.Sub})
	}
	logout := func(writer http.ResponseWriter, request *http.Request) {
		if err := client.Logout(request.Context(), writer, jwtkeeper.Of(request)); err != nil {
			notNow(writer, err)
			return
		}
		writer.WriteHeader(http.StatusNoContent)
	}
	http.Handle("/profile", client.Protect(http.HandlerFunc(profile), nil))
	http.Handle("/logout", client.Protect(http.HandlerFunc(logout), nil))

	port := os.Getenv("PORT")
	if port == "" {
		port = "8080"
	}
	listener, err := net.Listen("tcp", "127.0.0.1:"+port)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("listening on http://%s\n", listener.Addr())
	log.Fatal(http.Serve(listener, nil))
}

func notNow(writer http.ResponseWriter, err error) {
	log.Print(err)
	writer.Header().Set("Retry-After", "1")
	http.Error(writer, "try again later", http.StatusServiceUnavailable)
}
