package server

import (
	"context"
	"errors"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	_ "google.golang.org/grpc/encoding/gzip" // clients may send gzip
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/tap"

	"github.com/nitrain/nitrain/predict/server/internal/oip"
	"github.com/nitrain/nitrain/predict/server/internal/pb"
)

// GRPC returns a gRPC server with the Open Inference Protocol and the standard health service, which shares
// models, limits and tokens with the Handler. A message may have what Limits.Request allows, at most 2 GiB.
func (h *Handler) GRPC(more ...grpc.ServerOption) *grpc.Server {
	most := int(min(h.limits.Request, math.MaxInt32))
	o := append([]grpc.ServerOption{
		grpc.MaxRecvMsgSize(most), grpc.MaxSendMsgSize(math.MaxInt32), grpc.MaxConcurrentStreams(128),
		grpc.InTapHandle(h.tap), grpc.UnaryInterceptor(h.observe), grpc.ConnectionTimeout(20 * time.Second),
	}, more...)
	s := grpc.NewServer(o...)
	pb.RegisterGRPCInferenceServiceServer(s, &grpcService{h: h})
	grpc_health_v1.RegisterHealthServer(s, &grpcHealth{h: h})
	return s
}

// grpcScopes says what each method asks for; those that are not listed ask for scopePredict.
func grpcScopes(method string) scope {
	switch {
	case strings.HasPrefix(method, "/grpc.health.v1.Health/"), strings.HasSuffix(method, "/ServerLive"), strings.HasSuffix(method, "/ServerReady"):
		return scopeOpen
	case strings.HasSuffix(method, "/RepositoryModelLoad"), strings.HasSuffix(method, "/RepositoryModelUnload"):
		return scopeAdmin
	}
	return scopePredict
}

// tap checks the token before a message is received, whose size nobody knows yet, and turns calls away while
// too many wait.
func (h *Handler) tap(ctx context.Context, info *tap.Info) (context.Context, error) {
	header := ""
	if v := info.Header.Get("authorization"); len(v) > 0 {
		header = v[0]
	}
	if err := h.o.Tokens.check(header, grpcScopes(info.FullMethodName)); err != nil {
		return nil, grpcError(err)
	}
	if strings.HasSuffix(info.FullMethodName, "/ModelInfer") && h.gate.waiting.Load() >= h.gate.most {
		return nil, status.Error(codes.ResourceExhausted, "too many requests wait already")
	}
	return ctx, nil
}

// observe counts and logs calls, gives them an identifier, and turns errors into statuses.
func (h *Handler) observe(ctx context.Context, req any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (out any, err error) {
	start := time.Now()
	r := &http.Request{Header: http.Header{}}
	if v := metadata.ValueFromIncomingContext(ctx, "x-request-id"); len(v) > 0 {
		r.Header.Set("X-Request-Id", v[0])
	}
	id := requestID(r)
	_ = grpc.SetHeader(ctx, metadata.Pairs("x-request-id", id)) // fails only where a header was sent
	defer func() {
		if v := recover(); v != nil {
			h.log.Error("panic", "id", id, "route", info.FullMethod)
			out, err = nil, status.Error(codes.Internal, "internal error; the server's log has it under "+id)
		}
		code := status.Code(err)
		took := time.Since(start)
		h.meters.request(info.FullMethod, httpStatus(code), took)
		h.log.Info("call", "id", id, "route", info.FullMethod, "status", code.String(), "ms", took.Milliseconds())
	}()
	out, err = handle(ctx, req)
	if err != nil {
		if f := faultOf(err); f.Status == http.StatusInternalServerError {
			h.log.Error("failed", "id", id, "error", err.Error())
		}
		err = grpcError(err)
	}
	return out, err
}

// pair ties an HTTP status to its gRPC code.
type pair struct {
	http int
	code codes.Code
}

func pairs() []pair {
	return []pair{
		{http.StatusOK, codes.OK},
		{http.StatusBadRequest, codes.InvalidArgument},
		{http.StatusUnauthorized, codes.Unauthenticated},
		{http.StatusForbidden, codes.PermissionDenied},
		{http.StatusNotFound, codes.NotFound},
		{http.StatusRequestEntityTooLarge, codes.ResourceExhausted},
		{http.StatusTooManyRequests, codes.ResourceExhausted},
		{statusGone, codes.Canceled},
		{http.StatusNotImplemented, codes.Unimplemented},
		{http.StatusServiceUnavailable, codes.Unavailable},
		{http.StatusGatewayTimeout, codes.DeadlineExceeded},
	}
}

func grpcError(err error) error {
	if errors.Is(err, context.Canceled) {
		return status.Error(codes.Canceled, "the client went away")
	}
	f := faultOf(err)
	for _, p := range pairs() {
		if p.http == f.Status {
			return status.Error(p.code, f.Text)
		}
	}
	return status.Error(codes.Internal, f.Text)
}

func httpStatus(c codes.Code) int {
	for _, p := range pairs() {
		if p.code == c {
			return p.http
		}
	}
	return http.StatusInternalServerError
}

// grpcHealth answers for the server and for the one service that it has.
type grpcHealth struct {
	grpc_health_v1.UnimplementedHealthServer
	h *Handler
}

func (g *grpcHealth) Check(_ context.Context, r *grpc_health_v1.HealthCheckRequest) (*grpc_health_v1.HealthCheckResponse, error) {
	if !slices.Contains([]string{"", pb.GRPCInferenceService_ServiceDesc.ServiceName, grpc_health_v1.Health_ServiceDesc.ServiceName}, r.Service) {
		return nil, oip.Faultf(http.StatusNotFound, "unknown service")
	}
	return &grpc_health_v1.HealthCheckResponse{Status: g.status()}, nil
}

func (g *grpcHealth) status() grpc_health_v1.HealthCheckResponse_ServingStatus {
	if g.h.ready() {
		return grpc_health_v1.HealthCheckResponse_SERVING
	}
	return grpc_health_v1.HealthCheckResponse_NOT_SERVING
}

// Watch sends the state when it changes.
func (g *grpcHealth) Watch(_ *grpc_health_v1.HealthCheckRequest, stream grpc.ServerStreamingServer[grpc_health_v1.HealthCheckResponse]) error {
	last := grpc_health_v1.HealthCheckResponse_UNKNOWN
	every := time.NewTicker(time.Second)
	defer every.Stop()
	for {
		if now := g.status(); now != last {
			if err := stream.Send(&grpc_health_v1.HealthCheckResponse{Status: now}); err != nil {
				return err
			}
			last = now
		}
		if g.h.draining.Load() {
			return status.Error(codes.Unavailable, "the server is shutting down")
		}
		select {
		case <-every.C:
		case <-stream.Context().Done():
			return status.FromContextError(stream.Context().Err()).Err()
		}
	}
}
