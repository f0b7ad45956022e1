package main

// The few fields of tally.v1.ReserveRequest and ReserveResponse that are of interest here, without
// generated code.

import (
	"errors"

	"google.golang.org/protobuf/encoding/protowire"
)

type rawMessage []byte

// rawCodec hands messages through as they are.
type rawCodec struct{}

func (rawCodec) Name() string { return "proto" }

func (rawCodec) Marshal(v interface{}) ([]byte, error) {
	message, ok := v.(*rawMessage)
	if !ok {
		return nil, errors.New("not a raw message")
	}
	return *message, nil
}

func (rawCodec) Unmarshal(data []byte, v interface{}) error {
	message, ok := v.(*rawMessage)
	if !ok {
		return errors.New("not a raw message")
	}
	*message = append((*message)[:0], data...)
	return nil
}

// fields calls f for each field that is text or a message, and g for each number.
func fields(data []byte, f func(protowire.Number, []byte), g func(protowire.Number, uint64)) error {
	for len(data) > 0 {
		number, kind, n := protowire.ConsumeTag(data)
		if n < 0 {
			return protowire.ParseError(n)
		}
		data = data[n:]
		switch kind {
		case protowire.BytesType:
			value, n := protowire.ConsumeBytes(data)
			if n < 0 {
				return protowire.ParseError(n)
			}
			f(number, value)
			data = data[n:]
		case protowire.VarintType:
			value, n := protowire.ConsumeVarint(data)
			if n < 0 {
				return protowire.ParseError(n)
			}
			g(number, value)
			data = data[n:]
		default:
			n := protowire.ConsumeFieldValue(number, kind, data)
			if n < 0 {
				return protowire.ParseError(n)
			}
			data = data[n:]
		}
	}
	return nil
}

// parseReserve takes the order_id, the user_id, and the lot and quantity of the only line.
func parseReserve(message []byte) (orderRow, error) {
	var order orderRow
	var line []byte
	lines := 0
	err := fields(message, func(number protowire.Number, value []byte) {
		switch number {
		case 1:
			order.ID = string(value)
		case 2:
			order.UserID = string(value)
		case 3:
			line = value
			lines++
		}
	}, func(protowire.Number, uint64) {})
	if err != nil {
		return order, err
	}
	if lines != 1 || order.ID == "" {
		return order, errors.New("an order_id and one line are needed")
	}
	err = fields(line, func(number protowire.Number, value []byte) {
		if number == 1 {
			order.StockID = string(value)
		}
	}, func(number protowire.Number, value uint64) {
		if number == 6 {
			order.Quantity = int64(value)
		}
	})
	if err == nil && (order.StockID == "" || order.Quantity <= 0) {
		err = errors.New("a line needs a lot and a quantity")
	}
	return order, err
}

// reserveResponse has the order_id, which is all that a client of the benchmark looks at.
func reserveResponse(order orderRow) []byte {
	return protowire.AppendString(protowire.AppendTag(nil, 2, protowire.BytesType), order.ID)
}
