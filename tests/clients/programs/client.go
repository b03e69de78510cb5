// A client with net/http: client URL SCENARIO...
//
// CA names a certificate to trust, TOKEN is sent with each request.
package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
)

// docs: submit
type Outcome struct {
	ID        string `json:"id"`
	Status    string `json:"status"`
	Seq       uint64 `json:"seq"`
	Duplicate bool   `json:"duplicate"`
}

// submit sends an order until it has an outcome. Its id makes that safe.
func submit(client *http.Client, base, id, value string) (*Outcome, error) {
	order, _ := json.Marshal(map[string]string{"id": id, "value": value})
	pause := 100 * time.Millisecond
	for attempt := 0; attempt < 20; attempt++ {
		request, err := http.NewRequest("POST", base+"/submit", bytes.NewReader(order))
		if err != nil {
			return nil, err
		}
		request.Header.Set("Content-Type", "application/json")
		// With it net/http, too, sends the order again when an idle connection
		// turns out to be closed.
		request.Header.Set("Idempotency-Key", id)
		wait := pause
		if reply, err := client.Do(request); err == nil {
			// Read to the end, the connection can be used again.
			body, err := io.ReadAll(reply.Body)
			reply.Body.Close()
			switch {
			case err != nil:
			case reply.StatusCode == 200 || reply.StatusCode == 201 || reply.StatusCode == 422:
				outcome := new(Outcome)
				return outcome, json.Unmarshal(body, outcome)
			case reply.StatusCode == 429 || reply.StatusCode == 503:
				if seconds, err := strconv.Atoi(reply.Header.Get("Retry-After")); err == nil {
					wait = time.Duration(seconds) * time.Second
				}
			case reply.StatusCode != 202:
				return nil, fmt.Errorf("refused: %s", body)
			}
		}
		time.Sleep(wait)
		pause = min(2*pause, 3*time.Second)
	}
	return nil, fmt.Errorf("no outcome of %s", id)
}

func min(a, b time.Duration) time.Duration {
	if a < b {
		return a
	}
	return b
}

// docs: end

type client struct {
	base string
	http *http.Client
}

// authorized adds the token to each request.
type authorized struct {
	token     string
	transport http.RoundTripper
}

func (a authorized) RoundTrip(request *http.Request) (*http.Response, error) {
	if a.token != "" {
		request = request.Clone(request.Context())
		request.Header.Set("Authorization", "Bearer "+a.token)
	}
	return a.transport.RoundTrip(request)
}

func check(holds bool, what ...interface{}) {
	if !holds {
		panic(fmt.Sprint(what...))
	}
}

func must(err error) {
	check(err == nil, err)
}

func (c client) send(method, path, body string, headers ...string) (*http.Response, string) {
	return c.stream(method, path, strings.NewReader(body), headers...)
}

func (c client) stream(method, path string, body io.Reader, headers ...string) (*http.Response, string) {
	request, err := http.NewRequest(method, c.base+path, body)
	must(err)
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	reply, err := c.http.Do(request)
	must(err)
	defer reply.Body.Close()
	text, err := io.ReadAll(reply.Body)
	must(err)
	return reply, string(text)
}

func (c client) submits(id string) {
	outcome, err := submit(c.http, c.base, id, "100.50")
	must(err)
	check(outcome.ID == id && outcome.Status == "processed", outcome)
}

func order(c client) {
	reply, text := c.send("POST", "/submit", `{"id":"one","value":100.50}`, "Content-Type", "application/json")
	check(reply.StatusCode == 201 && reply.Header.Get("Content-Type") == "application/json", reply, text)
	var outcome Outcome
	must(json.Unmarshal([]byte(text), &outcome))
	check(outcome.ID == "one" && outcome.Status == "processed" && outcome.Seq > 0, text)
}

func duplicate(c client) {
	key := []string{"Content-Type", "application/json", "Idempotency-Key", `"key-1"`}
	first, text := c.send("POST", "/submit", `{"value":"7"}`, key...)
	check(first.StatusCode == 201, first, text)
	again, text := c.send("POST", "/submit", `{"value":"7"}`, key...)
	check(again.StatusCode == 200 && again.Header.Get("Idempotent-Replayed") == "true", again)
	check(strings.Contains(text, `"duplicate":true`), text)
}

func invalid(c client) {
	reply, text := c.send("POST", "/submit", `{"id":"no-value"}`, "Content-Type", "application/json")
	check(reply.StatusCode == 400 && reply.Header.Get("Content-Type") == "application/problem+json", reply)
	var problem struct {
		Type      string `json:"type"`
		Detail    string `json:"detail"`
		Status    int    `json:"status"`
		RetrySafe bool   `json:"retry_safe"`
	}
	must(json.Unmarshal([]byte(text), &problem))
	check(problem.Type == "/problems/invalid-order" && problem.Status == 400 && !problem.RetrySafe, text)
}

func orders(name string, count int, to io.Writer) {
	for i := 0; i < count; i++ {
		_, err := fmt.Fprintf(to, "{\"id\":\"%s-%d\",\"value\":%d}\n", name, i, i+1)
		must(err)
	}
}

func results(reply *http.Response, text string, count int) {
	check(reply.StatusCode == 200 && reply.Header.Get("Content-Type") == "application/x-ndjson", reply, text)
	check(strings.Count(text, `"status":"processed"`) == count, text)
}

func stream(c client) {
	read, write := io.Pipe()
	go func() {
		pieces := bufio.NewWriterSize(write, 1000)
		orders("s", 2000, pieces)
		must(pieces.Flush())
		write.Close()
	}()
	reply, text := c.stream("POST", "/submit", read, "Content-Type", "application/x-ndjson")
	results(reply, text, 2000)
}

func compressed(c client) {
	var body bytes.Buffer
	encoder := gzip.NewWriter(&body)
	orders("z", 500, encoder)
	must(encoder.Close())
	reply, text := c.stream("POST", "/submit", &body, "Content-Type", "application/x-ndjson", "Content-Encoding", "gzip")
	results(reply, text, 500)
}

func feed(c client) {
	after := uint64(0)
	page := func(wait int) (lines []Outcome) {
		reply, text := c.send("GET", fmt.Sprintf("/orders?after=%d&wait=%d", after, wait), "")
		check(reply.StatusCode == 200 && len(reply.Header.Get("Orders-Ledger-Id")) == 32, reply)
		for _, line := range strings.Split(strings.TrimSpace(text), "\n") {
			var outcome Outcome
			if line != "" {
				must(json.Unmarshal([]byte(line), &outcome))
				check(outcome.Seq == after+1, line)
				after, lines = outcome.Seq, append(lines, outcome)
			}
		}
		return lines
	}
	for len(page(0)) > 0 {
	}
	waited := make(chan []Outcome)
	go func() { waited <- page(60) }()
	time.Sleep(100 * time.Millisecond) // most likely it waits by now
	c.submits("awaited")
	lines := <-waited
	check(len(lines) == 1 && lines[0].ID == "awaited", lines)
}

func head(c client) {
	reply, text := c.send("HEAD", "/openapi.json", "")
	check(reply.StatusCode == 200 && reply.ContentLength > 1000 && text == "", reply, text)
	reply, text = c.send("OPTIONS", "/submit", "")
	check(reply.StatusCode == 405 && reply.Header.Get("Allow") == "POST", reply, text)
	request := &http.Request{Method: "OPTIONS", URL: &url.URL{Opaque: "*"}}
	base, err := url.Parse(c.base)
	must(err)
	request.URL.Scheme, request.URL.Host = base.Scheme, base.Host
	reply, err = c.http.Do(request)
	must(err)
	reply.Body.Close()
	check(reply.StatusCode == 204 && strings.Contains(reply.Header.Get("Allow"), "POST"), reply)
}

// expect takes a transport of its own that waits for the interim reply: without
// one the order isn't sent.
func expect(c client) {
	transport := &http.Transport{ExpectContinueTimeout: time.Hour}
	defer transport.CloseIdleConnections()
	c.http = &http.Client{Transport: transport, Timeout: 30 * time.Second}
	continued := 0
	trace := &httptrace.ClientTrace{Got100Continue: func() { continued++ }}
	for _, order := range []struct {
		padding, status, continued int
	}{{30_000, 201, 1}, {200_000, 413, 1}, {40_000, 201, 2}} {
		body := fmt.Sprintf(`{"id":"x-%d","value":1,"p":"%s"}`, order.padding, strings.Repeat("p", order.padding))
		request, err := http.NewRequest("POST", c.base+"/submit", strings.NewReader(body))
		must(err)
		request.Header.Set("Expect", "100-continue")
		reply, err := c.http.Do(request.WithContext(httptrace.WithClientTrace(request.Context(), trace)))
		must(err)
		_, err = io.ReadAll(reply.Body)
		must(err)
		reply.Body.Close()
		check(reply.StatusCode == order.status && continued == order.continued, reply, continued)
	}
}

func reuse(c client) {
	for i := 0; i < 1000; i++ {
		reply, text := c.send("POST", "/submit", fmt.Sprintf(`{"id":"r-%d","value":1}`, i))
		check(reply.StatusCode == 201, reply, text)
	}
}

// idle sends an order on a connection that was closed meanwhile, then some that
// may cross with its end.
func idle(c client) {
	timeout, err := time.ParseDuration(os.Getenv("IDLE_TIMEOUT"))
	must(err)
	for i := 0; i < 2; i++ {
		reply, text := c.send("POST", "/submit", fmt.Sprintf(`{"id":"i-%d","value":1}`, i))
		check(reply.StatusCode == 201, reply, text)
		time.Sleep(4 * timeout)
	}
	for i := 2; i < 7; i++ {
		c.submits(fmt.Sprintf("i-%d", i))
		time.Sleep(timeout)
	}
}

func retries(c client) {
	for i := 0; i < 2; i++ {
		c.submits(fmt.Sprintf("q-%d", i))
	}
}

func together(c client) {
	done := make(chan bool)
	for i := 0; i < 6; i++ {
		go func(i int) {
			c.submits(fmt.Sprintf("t-%d", i))
			done <- true
		}(i)
	}
	for i := 0; i < 6; i++ {
		<-done
	}
}

func restart(c client) {
	for i := 0; i < 300; i++ {
		if i == 100 {
			fmt.Println("restart")
		}
		c.submits(fmt.Sprintf("a-%d", i))
	}
}

func main() {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	if path := os.Getenv("CA"); path != "" {
		pem, err := os.ReadFile(path)
		must(err)
		pool := x509.NewCertPool()
		check(pool.AppendCertsFromPEM(pem), path)
		transport.TLSClientConfig = &tls.Config{RootCAs: pool}
	}
	c := client{os.Args[1], &http.Client{
		Transport: authorized{os.Getenv("TOKEN"), transport},
		Timeout:   100 * time.Second,
	}}
	scenarios := map[string]func(client){
		"order": order, "duplicate": duplicate, "invalid": invalid, "stream": stream,
		"gzip": compressed, "feed": feed, "head": head, "expect": expect, "reuse": reuse,
		"idle": idle, "retries": retries, "together": together, "restart": restart,
	}
	for _, name := range os.Args[2:] {
		scenarios[name](c)
		fmt.Println("ok", name)
	}
}
