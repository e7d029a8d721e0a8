// A load of validates on one goroutine, in Go: reads a token from stdin, validates it for --seconds (2 unless told
// otherwise), and prints what that came to as one line of JSON. With --begin it prints `begun` after the first answer.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"sort"
	"strings"
	"time"

	"jwtkeeper.example/jwtkeeper"
)

func main() {
	seconds := flag.Float64("seconds", 2, "how long")
	begin := flag.Bool("begin", false, "say when the first call is answered")
	flag.Parse()
	line, err := bufio.NewReader(os.Stdin).ReadString('\n')
	if err != nil {
		log.Fatal(err)
	}
	token := strings.TrimSpace(line)
	client, err := jwtkeeper.New(jwtkeeper.Options{})
	if err != nil {
		log.Fatal(err)
	}

	const versions = 100_000
	start := time.Now()
	for i := 0; i < versions; i++ {
		jwtkeeper.Version()
	}
	ffi := float64(time.Since(start).Nanoseconds()) / versions

	var times []float64
	errors := 0
	start = time.Now()
	for before := start; before.Sub(start).Seconds() < *seconds; before = time.Now() {
		valid, err := client.Validate(context.Background(), token, "")
		times = append(times, float64(time.Since(before).Nanoseconds())/1000)
		if err != nil || !valid {
			errors++
		}
		if *begin && len(times) == 1 {
			fmt.Println("begun")
		}
	}
	taken := time.Since(start).Seconds()
	sort.Float64s(times)
	at := func(share float64) float64 { return times[int(float64(len(times)-1)*share)] }
	figures := map[string]interface{}{
		"calls": len(times), "errors": errors, "seconds": taken,
		"p50_us": at(0.5), "p99_us": at(0.99), "max_us": at(1), "ffi_ns": ffi,
	}
	if err := json.NewEncoder(os.Stdout).Encode(figures); err != nil {
		log.Fatal(err)
	}
}
