// get URL REQUESTS [drained|undrained]: net/http with its default client; httptrace
// tells of each request whether its connection had been used before.
package main

import (
	"encoding/json"
	"io"
	"log"
	"net/http"
	"net/http/httptrace"
	"os"
	"strconv"
)

type counted struct {
	Requests    int `json:"requests"`
	Connections int `json:"connections"`
}

func main() {
	requests, err := strconv.Atoi(os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	drains := len(os.Args) < 4 || os.Args[3] == "drained"
	var found counted
	trace := &httptrace.ClientTrace{GotConn: func(got httptrace.GotConnInfo) {
		if !got.Reused {
			found.Connections++
		}
	}}
	for n := 0; n < requests; n++ {
		request, err := http.NewRequest("GET", os.Args[1]+"/ticker/latest", nil)
		if err != nil {
			log.Fatal(err)
		}
		context := httptrace.WithClientTrace(request.Context(), trace)
		answer, err := http.DefaultClient.Do(request.WithContext(context))
		if err != nil {
			log.Fatal(err)
		}
		found.Requests++
		if drains {
			if _, err := io.Copy(io.Discard, answer.Body); err != nil {
				log.Fatal(err)
			}
		}
		answer.Body.Close()
	}
	if err := json.NewEncoder(os.Stdout).Encode(found); err != nil {
		log.Fatal(err)
	}
}
