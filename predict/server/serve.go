package server

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
)

// Listen says where and how [Handler.Serve] listens.
type Listen struct {
	HTTP    string // address of REST, the volume API and the viewer; "" is none
	GRPC    string // "" is none
	Metrics string // "" is none
	// Cert and Key are PEM files; with them HTTP and gRPC speak TLS 1.2 or newer.
	Cert, Key string
	// ClientCA is a PEM file; with it clients must show a certificate that it signed.
	ClientCA string
	// DrainDelay is how long the server goes on while it says that it is not ready.
	DrainDelay time.Duration
	// ShutdownTimeout is how long requests that are under way may take after that.
	ShutdownTimeout time.Duration
	// Hurry, when it closes, ends the drain delay early; nil never does.
	Hurry <-chan struct{}
}

// Addresses are where a server listens.
type Addresses struct {
	HTTP    string `json:"http,omitempty"` // URLs
	GRPC    string `json:"grpc,omitempty"` // host:port
	Metrics string `json:"metrics,omitempty"`
}

// ExposedError says that an address that others can reach was asked for without protection.
type ExposedError struct{ Address string }

// Error names the address.
func (e *ExposedError) Error() string {
	return fmt.Sprintf("server: listen on %s: want a token file or client certificates for an address that others can reach", e.Address)
}

// Hint says what to do.
func (e *ExposedError) Hint() string {
	return "add --token-file FILE (openssl rand -hex 32 > FILE; chmod 600 FILE), or --tls-cert, --tls-key and --client-ca, or listen on 127.0.0.1"
}

// loopback reports whether only this machine can reach an address.
func loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

// Check refuses addresses that are open to others without protection, and half a TLS configuration. Serve does so too.
func (l Listen) Check(tokens *Tokens) error {
	if (l.Cert == "") != (l.Key == "") {
		return errors.New("server: want a TLS certificate and its key, got one of them")
	}
	if l.ClientCA != "" && l.Cert == "" {
		return errors.New("server: client certificates want a TLS certificate and its key")
	}
	for _, address := range []string{l.HTTP, l.GRPC, l.Metrics} {
		if address != "" && !loopback(address) && tokens == nil && l.ClientCA == "" {
			return &ExposedError{Address: address}
		}
	}
	return nil
}

func (l Listen) tls() (*tls.Config, error) {
	if l.Cert == "" {
		return nil, nil //nolint:nilnil // no TLS
	}
	pair, err := tls.LoadX509KeyPair(l.Cert, l.Key)
	if err != nil {
		return nil, fmt.Errorf("server: TLS: %w", err)
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}}
	if l.ClientCA == "" {
		return c, nil
	}
	pem, err := os.ReadFile(l.ClientCA)
	if err != nil {
		return nil, fmt.Errorf("server: TLS: %w", err)
	}
	c.ClientCAs, c.ClientAuth = x509.NewCertPool(), tls.RequireAndVerifyClientCert
	if !c.ClientCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("server: TLS: %s: want a certificate in PEM, found none", l.ClientCA)
	}
	return c, nil
}

// listeners are open sockets.
type listeners struct {
	http, grpc, metrics net.Listener
	tls                 *tls.Config
}

func (l Listen) open(ctx context.Context) (o *listeners, err error) {
	o = &listeners{}
	defer func() {
		if err != nil {
			o.close()
		}
	}()
	if o.tls, err = l.tls(); err != nil {
		return o, err
	}
	for _, want := range []struct {
		address string
		at      *net.Listener
	}{{l.HTTP, &o.http}, {l.GRPC, &o.grpc}, {l.Metrics, &o.metrics}} {
		if want.address == "" {
			continue
		}
		if *want.at, err = (&net.ListenConfig{}).Listen(ctx, "tcp", want.address); err != nil {
			return o, fmt.Errorf("server: %w", err)
		}
	}
	return o, nil
}

func (o *listeners) close() {
	for _, s := range []net.Listener{o.http, o.grpc, o.metrics} {
		if s != nil {
			s.Close()
		}
	}
}

func (o *listeners) addresses() Addresses {
	scheme := "http://"
	if o.tls != nil {
		scheme = "https://"
	}
	var a Addresses
	if o.http != nil {
		a.HTTP = scheme + o.http.Addr().String()
	}
	if o.grpc != nil {
		a.GRPC = o.grpc.Addr().String()
	}
	if o.metrics != nil {
		a.Metrics = scheme + o.metrics.Addr().String() + "/metrics"
	}
	return a
}

// Serve listens and answers until ctx ends, then drains: it says that it is not ready, goes on for DrainDelay,
// stops accepting, and lets what is under way finish for up to ShutdownTimeout. started is called when all
// addresses accept connections. A server that drained in time returns nil.
//
// Addresses that other machines can reach want tokens or client certificates: without, the error is an
// [*ExposedError]. On the loopback interface without tokens only the names of this machine are answered to.
func (h *Handler) Serve(ctx context.Context, l Listen, started func(Addresses)) error {
	if err := l.Check(h.o.Tokens); err != nil {
		return err
	}
	sockets, err := l.open(ctx)
	if err != nil {
		return err
	}
	if h.o.Hosts == nil && h.o.Tokens == nil && l.ClientCA == "" {
		h.o.Hosts = []string{"localhost", "127.0.0.1", "::1"}
		if host, _, err := net.SplitHostPort(l.HTTP); err == nil {
			h.o.Hosts = append(h.o.Hosts, strings.ToLower(host))
		}
	}
	web := h.httpServer(h)
	figures := h.httpServer(h.metricsHandler(loopback(l.Metrics)))
	var more []grpc.ServerOption
	if sockets.tls != nil {
		more = append(more, grpc.Creds(credentials.NewTLS(sockets.tls)))
	}
	calls := h.GRPC(more...)
	failed := make(chan error, 3)
	run := func(s net.Listener, serve func(net.Listener) error) {
		if s == nil {
			return
		}
		go func() {
			if err := serve(s); err != nil && !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, grpc.ErrServerStopped) {
				failed <- fmt.Errorf("server: %w", err)
			}
		}()
	}
	run(sockets.secure(sockets.http), web.Serve)
	run(sockets.secure(sockets.metrics), figures.Serve)
	run(sockets.grpc, calls.Serve)
	started(sockets.addresses())
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	return errors.Join(err, h.shut(l, web, figures, calls))
}

// secure puts TLS on a listener where it is wanted.
func (o *listeners) secure(s net.Listener) net.Listener {
	if s == nil || o.tls == nil {
		return s
	}
	c := o.tls.Clone()
	c.NextProtos = []string{"http/1.1"}
	return tls.NewListener(s, c)
}

func (h *Handler) httpServer(handler http.Handler) *http.Server {
	return &http.Server{
		Handler: handler, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError), // holds clients' addresses and bytes
	}
}

// metricsHandler serves /metrics, with a token where others can reach it and there are tokens.
func (h *Handler) metricsHandler(open bool) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, r *http.Request) {
		if err := h.o.Tokens.check(r.Header.Get("Authorization"), scopePredict); err != nil && !open {
			http.Error(w, "want a token", http.StatusUnauthorized)
			return
		}
		h.Metrics().ServeHTTP(w, r)
	})
	return mux
}

// shut drains and stops the servers.
func (h *Handler) shut(l Listen, web, figures *http.Server, calls *grpc.Server) error {
	h.Drain()
	h.log.Info("draining", "delay", l.DrainDelay.String(), "timeout", l.ShutdownTimeout.String())
	select {
	case <-time.After(l.DrainDelay):
	case <-l.Hurry:
	}
	ctx, cancel := context.WithTimeout(context.Background(), l.ShutdownTimeout)
	defer cancel()
	stopped := make(chan struct{})
	go func() {
		calls.GracefulStop()
		close(stopped)
	}()
	err := web.Shutdown(ctx)
	select {
	case <-stopped:
	case <-ctx.Done():
		err = errors.Join(err, ctx.Err())
	}
	calls.Stop()
	err = errors.Join(err, web.Close(), figures.Close())
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("server: requests were cut off after %v: %w", l.ShutdownTimeout, err)
	}
	return err
}
