// classic: the algorithm of most flash sales, as something to measure against. It serves the Reserve of
// api/tally.proto over gRPC, so that one client loads both.
//
//	classic --listen 127.0.0.1:7071 --mysql 'user:password@tcp(127.0.0.1:3306)/db' --redis 127.0.0.1:6379
//	        --stock LOT=UNITS [--wait]
//
// A request gets one of 100 workers, or one of 200 places to wait for one, or is refused; it has 800 ms. The
// worker takes the units in Redis with a script and says yes; MySQL is written behind it, with a version
// check and no second try; what MySQL refuses is given back to Redis; after each write the key is deleted
// from Redis, and again 150 ms later. With --wait the yes comes after MySQL.
//
// On SIGTERM it lets what is written behind end and prints what became of it, as one line of JSON.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"net"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"gorm.io/driver/mysql"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"
)

const (
	workers   = 100
	queueSize = 200
)

type job struct {
	ctx   context.Context
	order orderRow
	done  chan error
}

type server struct {
	stock *stock
	jobs  chan job
}

func (s *server) work() {
	for j := range s.jobs {
		if j.ctx.Err() != nil { // waited too long
			j.done <- j.ctx.Err()
			continue
		}
		j.done <- s.stock.take(j.ctx, j.order)
	}
}

func (s *server) reserve(ctx context.Context, order orderRow) error {
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	j := job{ctx, order, make(chan error, 1)}
	select {
	case s.jobs <- j:
	default:
		return status.Error(codes.Unavailable, "too many requests")
	}
	switch err := <-j.done; err {
	case nil:
		return nil
	case errSoldOut:
		return status.Error(codes.ResourceExhausted, "sold out")
	case errConflict:
		return status.Error(codes.Aborted, "try again")
	default:
		return status.Error(codes.Internal, err.Error())
	}
}

func reserveHandler(service interface{}, ctx context.Context, decode func(interface{}) error,
	_ grpc.UnaryServerInterceptor) (interface{}, error) {
	var message rawMessage
	if err := decode(&message); err != nil {
		return nil, err
	}
	order, err := parseReserve(message)
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	if err := service.(*server).reserve(ctx, order); err != nil {
		return nil, err
	}
	answer := rawMessage(reserveResponse(order))
	return &answer, nil
}

func openStock(dsn, redisAddress, wanted string, waits bool) (*stock, error) {
	db, err := gorm.Open(mysql.Open(dsn), &gorm.Config{
		Logger: logger.Default.LogMode(logger.Silent), SkipDefaultTransaction: true, PrepareStmt: true})
	if err != nil {
		return nil, err
	}
	pool, err := db.DB()
	if err != nil {
		return nil, err
	}
	pool.SetMaxOpenConns(workers)
	pool.SetMaxIdleConns(workers)
	if err := db.AutoMigrate(&stockRow{}, &orderRow{}); err != nil {
		return nil, err
	}
	id, text, _ := strings.Cut(wanted, "=")
	units, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return nil, fmt.Errorf("--stock is LOT=UNITS: %w", err)
	}
	if err := db.Save(&stockRow{ID: id, Stock: units}).Error; err != nil {
		return nil, err
	}
	client := redis.NewClient(&redis.Options{Addr: redisAddress, PoolSize: workers})
	if err := client.Del(context.Background(), key(id)).Err(); err != nil {
		return nil, err
	}
	return &stock{redis: client, db: db, waits: waits}, nil
}

func main() {
	listen := flag.String("listen", "127.0.0.1:7071", "HOST:PORT")
	dsn := flag.String("mysql", "", "user:password@tcp(host:port)/database")
	redisAddress := flag.String("redis", "127.0.0.1:6379", "HOST:PORT")
	wanted := flag.String("stock", "", "LOT=UNITS")
	waits := flag.Bool("wait", false, "say yes only after MySQL")
	flag.Parse()

	st, err := openStock(*dsn, *redisAddress, *wanted, *waits)
	if err != nil {
		log.Fatal(err)
	}
	s := &server{stock: st, jobs: make(chan job, queueSize)}
	for i := 0; i < workers; i++ {
		go s.work()
	}
	face := grpc.NewServer(grpc.ForceServerCodec(rawCodec{}), grpc.MaxConcurrentStreams(4096))
	face.RegisterService(&grpc.ServiceDesc{
		ServiceName: "tally.v1.Inventory",
		HandlerType: (*interface{})(nil),
		Methods:     []grpc.MethodDesc{{MethodName: "Reserve", Handler: reserveHandler}},
	}, s)
	listener, err := net.Listen("tcp", *listen)
	if err != nil {
		log.Fatal(err)
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, os.Interrupt)
	go func() {
		<-signals
		face.Stop()
	}()
	if err := face.Serve(listener); err != nil {
		log.Print(err)
	}
	st.behind.Wait()
	_ = json.NewEncoder(os.Stdout).Encode(map[string]int64{
		"yes": st.yes.Load(), "stored": st.stored.Load(), "refused_by_version": st.refused.Load(),
		"late": st.late.Load(), "delete_again_ms": int64(deleteAgain / time.Millisecond)})
}
