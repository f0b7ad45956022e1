package main

// The stock as most shops keep it: Redis says yes, MySQL is written behind it with a version check, and
// both are made to agree afterwards.

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"gorm.io/gorm"
)

const (
	deadline       = 800 * time.Millisecond // of a request, and of what is written behind it
	deleteAgain    = 150 * time.Millisecond // after the first delete
	stockTTL       = 30 * time.Minute
	scriptMissing  = -2
	scriptTooFew   = -1
	loadsOnMissMax = 3
)

// Checks and takes in one step. Nothing there: it has to be loaded first.
var takeScript = redis.NewScript(`
local have = redis.call('GET', KEYS[1])
if not have then return -2 end
if tonumber(have) < tonumber(ARGV[1]) then return -1 end
return redis.call('DECRBY', KEYS[1], ARGV[1])`)

// Gives back only where there is something to give back to.
var giveBackScript = redis.NewScript(`
if redis.call('EXISTS', KEYS[1]) == 1 then return redis.call('INCRBY', KEYS[1], ARGV[1]) end
return 0`)

// A row of the stock, as GORM has it.
type stockRow struct {
	ID      string `gorm:"primaryKey;size:64"`
	Stock   int64
	Version int64
}

func (stockRow) TableName() string { return "classic_stock" }

// A row for each order that MySQL knows.
type orderRow struct {
	ID       string `gorm:"primaryKey;size:64"`
	StockID  string `gorm:"size:64"`
	UserID   string `gorm:"size:64"`
	Quantity int64
}

func (orderRow) TableName() string { return "classic_orders" }

var (
	errSoldOut  = errors.New("sold out")
	errConflict = errors.New("somebody else changed the row")
)

type stock struct {
	redis   *redis.Client
	db      *gorm.DB
	waits   bool // for MySQL, before it says yes
	behind  sync.WaitGroup
	yes     atomic.Int64
	stored  atomic.Int64
	refused atomic.Int64 // by the version check, after Redis had said yes
	late    atomic.Int64 // not written in time, or not at all, after Redis had said yes
}

func key(id string) string { return "stock:{" + id + "}" }

// take answers an order: nil is a yes.
func (s *stock) take(ctx context.Context, order orderRow) error {
	if err := s.takeFromRedis(ctx, order); err != nil {
		return err
	}
	if s.waits {
		if err := s.write(ctx, order); err != nil {
			return err
		}
		s.yes.Add(1)
		return nil
	}
	s.yes.Add(1)
	s.behind.Add(1)
	go func() {
		defer s.behind.Done()
		behind, cancel := context.WithTimeout(context.Background(), deadline)
		defer cancel()
		_ = s.write(behind, order) // the customer has his yes by now
	}()
	return nil
}

func (s *stock) takeFromRedis(ctx context.Context, order orderRow) error {
	for i := 0; i < loadsOnMissMax; i++ {
		left, err := takeScript.Run(ctx, s.redis, []string{key(order.StockID)}, order.Quantity).Int64()
		switch {
		case err != nil:
			return err
		case left == scriptTooFew:
			return errSoldOut
		case left != scriptMissing:
			return nil
		}
		if err := s.load(ctx, order.StockID); err != nil {
			return err
		}
	}
	return fmt.Errorf("%s: gone from Redis again and again", order.StockID)
}

// load fills Redis from MySQL, whatever is still on its way there.
func (s *stock) load(ctx context.Context, id string) error {
	var row stockRow
	if err := s.db.WithContext(ctx).First(&row, "id = ?", id).Error; err != nil {
		return err
	}
	return s.redis.SetNX(ctx, key(id), row.Stock, stockTTL).Err()
}

// write stores an order in MySQL. What fails there is given back to Redis.
func (s *stock) write(ctx context.Context, order orderRow) error {
	err := s.db.WithContext(ctx).Transaction(func(tx *gorm.DB) error {
		var row stockRow
		if err := tx.First(&row, "id = ?", order.StockID).Error; err != nil {
			return err
		}
		done := tx.Model(&stockRow{}).
			Where("id = ? AND version = ? AND stock >= ?", row.ID, row.Version, order.Quantity).
			Updates(map[string]interface{}{
				"stock": gorm.Expr("stock - ?", order.Quantity), "version": gorm.Expr("version + 1")})
		if done.Error != nil {
			return done.Error
		}
		if done.RowsAffected == 0 {
			return errConflict
		}
		return tx.Create(&order).Error
	})
	if err == nil {
		s.stored.Add(1)
		s.deleteTwice(order.StockID)
		return nil
	}
	if errors.Is(err, errConflict) {
		s.refused.Add(1)
	} else {
		s.late.Add(1)
	}
	giving, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	giveBackScript.Run(giving, s.redis, []string{key(order.StockID)}, order.Quantity)
	return err
}

// deleteTwice has the next reader load what MySQL says: at once, and once more for a reader that was
// under way meanwhile.
func (s *stock) deleteTwice(id string) {
	remove := func() {
		ctx, cancel := context.WithTimeout(context.Background(), deadline)
		defer cancel()
		s.redis.Del(ctx, key(id))
	}
	remove()
	s.behind.Add(1)
	time.AfterFunc(deleteAgain, func() {
		defer s.behind.Done()
		remove()
	})
}
