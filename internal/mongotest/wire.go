// This file reads and writes MongoDB's wire protocol, as far as a proxy and a
// fake server need it: it reads messages, finds the command in one, and writes
// replies.

package mongotest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"go.mongodb.org/mongo-driver/v2/bson"
)

const (
	headerSize = 16
	opReply    = 1
	opQuery    = 2004
	opMsg      = 2013
	maxMessage = 48_000_000

	// checksumPresent and flagMoreToCome are bits of an OP_MSG.
	checksumPresent = 1
	flagMoreToCome  = 2
)

var errNoMessage = errors.New("mongotest: not a message with a command")

// readMessage reads one message: its length, the rest of its header, its body.
func readMessage(r io.Reader) ([]byte, error) {
	var length [4]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		return nil, err
	}
	size := binary.LittleEndian.Uint32(length[:])
	if size < headerSize || size > maxMessage {
		return nil, fmt.Errorf("mongotest: a message of %d bytes", size)
	}
	message := make([]byte, size)
	copy(message, length[:])
	_, err := io.ReadFull(r, message[4:])
	return message, err
}

func opCode(message []byte) uint32 { return binary.LittleEndian.Uint32(message[12:]) }

// commandOf returns the name of the command in a message: the first member of
// its first document. It is "" if the message is not an OP_MSG.
func commandOf(message []byte) string {
	// The header, the flags, the kind of the section, the length of the
	// document, the type of the member.
	const at = headerSize + 4 + 1 + 4 + 1
	if len(message) < at || opCode(message) != opMsg {
		return ""
	}
	name, _, _ := bytes.Cut(message[at:], []byte{0})
	return string(name)
}

// moreToCome reports whether the server sends more without being asked, as in a
// stream of hellos.
func moreToCome(message []byte) bool {
	return len(message) >= headerSize+4 && opCode(message) == opMsg &&
		binary.LittleEndian.Uint32(message[headerSize:])&flagMoreToCome != 0
}

// documentOf returns the command, or the reply, in a message. The document
// sequences of an OP_MSG become arrays of the command.
func documentOf(message []byte) (bson.Raw, error) {
	switch rest := message[headerSize:]; opCode(message) {
	case opMsg:
		if len(rest) < 4 {
			return nil, errNoMessage
		}
		if binary.LittleEndian.Uint32(rest)&checksumPresent != 0 {
			rest = rest[:len(rest)-4]
		}
		return joinSections(rest[4:])
	case opQuery: // how the driver says hello the first time
		name := bytes.IndexByte(rest[min(4, len(rest)):], 0)
		if name < 0 || len(rest) < 4+name+1+8 {
			return nil, errNoMessage
		}
		return bson.Raw(rest[4+name+1+8:]), nil
	}
	return nil, errNoMessage
}

func joinSections(sections []byte) (bson.Raw, error) {
	var command bson.D
	for len(sections) >= 5 {
		kind, size := sections[0], int(binary.LittleEndian.Uint32(sections[1:]))
		if size < 5 || 1+size > len(sections) {
			return nil, errNoMessage
		}
		section := sections[1 : 1+size]
		sections = sections[1+size:]
		if kind == 0 {
			if err := bson.Unmarshal(section, &command); err != nil {
				return nil, err
			}
			continue
		}
		name, documents, _ := bytes.Cut(section[4:], []byte{0})
		command = append(command, bson.E{Key: string(name), Value: split(documents)})
	}
	return bson.Marshal(command)
}

// split returns the documents in a sequence.
func split(documents []byte) (all bson.A) {
	for len(documents) >= 5 {
		size := min(int(binary.LittleEndian.Uint32(documents)), len(documents))
		all = append(all, bson.Raw(documents[:size]))
		documents = documents[size:]
	}
	return all
}

// replyTo returns the message that answers request with document.
func replyTo(request []byte, document bson.D) ([]byte, error) {
	body, err := bson.Marshal(document)
	if err != nil {
		return nil, err
	}
	reply := make([]byte, headerSize)
	copy(reply[8:12], request[4:8]) // responseTo is the request ID
	if opCode(request) == opQuery {
		binary.LittleEndian.PutUint32(reply[12:], opReply)
		reply = append(reply, make([]byte, 4+8+4)...) // flags, cursor, first
		reply = binary.LittleEndian.AppendUint32(reply, 1)
	} else {
		binary.LittleEndian.PutUint32(reply[12:], opMsg)
		reply = append(reply, 0, 0, 0, 0, 0) // flags, kind
	}
	reply = append(reply, body...)
	binary.LittleEndian.PutUint32(reply, uint32(len(reply)))
	return reply, nil
}
