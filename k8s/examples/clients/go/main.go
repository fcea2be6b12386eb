// A pod's NATS client: it shows the projected token, and stays connected when a login ends.
package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log"
	"math/rand/v2"
	"os"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

func main() {
	file := getenv("NATS_TOKEN_FILE", "/var/run/secrets/nats/token")
	nc, err := nats.Connect(getenv("NATS_URL", "nats://nats.nats-system.svc.cluster.local:4222"), options(file)...)
	if err != nil {
		log.Fatal(err)
	}
	// Subscriptions outlast reconnections. Each order is a question to orders.stock.
	if _, err := nc.Subscribe("orders.created", func(order *nats.Msg) {
		answer, err := nc.Request("orders.stock", order.Data, 2*time.Second)
		if err != nil {
			log.Printf("order %s: %v", order.Data, err)
			return
		}
		log.Printf("order %s: %s", order.Data, answer.Data)
	}); err != nil {
		log.Fatal(err)
	}
	select {}
}

func options(file string) []nats.Option {
	opts := []nats.Option{
		nats.TokenHandler(func() string { return readToken(file) }), // at each login
		nats.CustomInboxPrefix(getenv("NATS_INBOX_PREFIX", privateInbox(readToken(file)))),
		nats.MaxReconnects(-1),
		nats.RetryOnFailedConnect(true), // the first login too
		nats.IgnoreAuthErrorAbort(),     // without it two refusals in a row close the connection for good
		nats.CustomReconnectDelay(pause),
		nats.Timeout(5 * time.Second), // the server gives the callout two
		nats.PingInterval(20 * time.Second),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) { log.Printf("disconnected: %v", err) }),
		nats.ReconnectErrHandler(func(_ *nats.Conn, err error) { log.Printf("cannot log in: %v", err) }),
	}
	if creds := os.Getenv("NATS_SENTINEL_CREDS"); creds != "" {
		opts = append(opts, nats.UserCredentials(creds)) // goes together with TokenHandler
	}
	return opts
}

func readToken(file string) string {
	token, err := os.ReadFile(file)
	if err != nil {
		log.Printf("no token: %v", err) // the login is refused, and tried again
	}
	return strings.TrimSpace(string(token))
}

// pause is drawn at random and grows with each failure, so a fleet does not come back all at once.
func pause(attempts int) time.Duration {
	return rand.N(min(30*time.Second, 250*time.Millisecond<<min(attempts, 10)))
}

// privateInbox is the inbox prefix that is the pod's own; with NATS_RESPONSE_MAX=0 a dot follows "_INBOX_".
func privateInbox(token string) string {
	var claims struct {
		Kubernetes struct {
			Namespace      string
			ServiceAccount struct{ Name string }
		} `json:"kubernetes.io"`
	}
	if parts := strings.Split(token, "."); len(parts) == 3 {
		if payload, err := base64.RawURLEncoding.DecodeString(parts[1]); err == nil {
			_ = json.Unmarshal(payload, &claims)
		}
	}
	of := claims.Kubernetes
	if of.Namespace == "" || of.ServiceAccount.Name == "" {
		log.Fatal("the token's file holds no token of a ServiceAccount")
	}
	return fmt.Sprintf("_INBOX_%s_%s", of.Namespace, strings.ReplaceAll(of.ServiceAccount.Name, ".", "_"))
}

func getenv(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}
