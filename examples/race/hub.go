package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/ttlpool/ttlpool/examples/internal/xmlrpc"
)

// callHeader carries the id of a call: the name of its leg, the number of its lane, and its number there, with dots
// between. The hub gives it back with the answer.
const callHeader = "Race-Call"

// idempotencyKey is how the sender of a POST declares that it may be sent again.
const idempotencyKey = "Idempotency-Key"

const (
	rpcPath = "/kojihub"
	logPath = "/kojifiles/work/build.log"

	maxCallBytes = 1 << 20
)

// hub is a build system's hub as its clients see it: XML-RPC over POST and log files over GET, behind real net/http
// servers with a short keep-alive timeout. It counts how often each call was processed.
type hub struct {
	nodes []*http.Server
	addrs []string
	wg    sync.WaitGroup

	mu        sync.Mutex            // guards processed
	processed map[string]processing // by the id of the call
}

// startHub listens on as many loopback ports as it has nodes.
func startHub(nodes int, keepAlive time.Duration) (*hub, error) {
	h := &hub{processed: make(map[string]processing)}
	for range nodes {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			h.close()
			return nil, fmt.Errorf("hub: %w", err)
		}
		node := &http.Server{
			Handler:     h.routes(),
			IdleTimeout: keepAlive,
			ErrorLog:    log.New(io.Discard, "", 0),
		}
		h.nodes = append(h.nodes, node)
		h.addrs = append(h.addrs, listener.Addr().String())
		h.wg.Go(func() { _ = node.Serve(listener) })
	}
	return h, nil
}

func (h *hub) close() {
	for _, node := range h.nodes {
		_ = node.Close()
	}
	h.wg.Wait()
}

// restart does to a node's clients what a graceful restart does: every connection that is idle closes, without notice.
func (h *hub) restart(node int) {
	h.nodes[node].SetKeepAlivesEnabled(false)
	h.nodes[node].SetKeepAlivesEnabled(true)
}

// keepRestarting restarts every node by the schedule until ctx is done.
func (h *hub) keepRestarting(ctx context.Context, restarts schedule) {
	var wg sync.WaitGroup
	for node := range h.nodes {
		wg.Go(func() {
			for at := restarts.next(node, time.Now()); sleepUntil(ctx, at); at = restarts.next(node, at) {
				h.restart(node)
			}
		})
	}
	wg.Wait()
}

func (h *hub) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+rpcPath, h.serveCall)
	mux.HandleFunc("GET "+logPath, h.serveLog)
	return mux
}

func (h *hub) serveCall(w http.ResponseWriter, r *http.Request) {
	method, args, err := xmlrpc.ReadCall(http.MaxBytesReader(w, r.Body, maxCallBytes))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	h.count(w, r)
	w.Header().Set("Content-Type", "text/xml")
	result, err := invoke(method, args)
	if fault, refused := errors.AsType[*xmlrpc.Fault](err); refused {
		_ = xmlrpc.WriteFault(w, fault)
		return
	}
	_ = xmlrpc.WriteResponse(w, result)
}

func (h *hub) serveLog(w http.ResponseWriter, r *http.Request) {
	h.count(w, r)
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = io.WriteString(w, strings.Repeat("+ make -j2 all\n", 32))
}

// processing is what became of a call.
type processing struct {
	times      int
	repeatable bool // by its method, or as its sender says
}

// count notes that the call was processed, before a byte of its answer goes out.
func (h *hub) count(w http.ResponseWriter, r *http.Request) {
	id := r.Header.Get(callHeader)
	w.Header().Set(callHeader, id)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.processed[id] = processing{
		times:      h.processed[id].times + 1,
		repeatable: r.Method == http.MethodGet || r.Header.Get(idempotencyKey) != "",
	}
}

// processedTwice is the number of a leg's calls that were processed more than once, and how many of them nobody had
// said could be.
func (h *hub) processedTwice(leg string) (all, unsafe int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for id, p := range h.processed {
		if p.times < 2 || !strings.HasPrefix(id, leg+".") {
			continue
		}
		all++
		if !p.repeatable {
			unsafe++
		}
	}
	return all, unsafe
}

// Koji's task states.
const (
	taskOpen   = int64(1)
	taskClosed = int64(2)
)

// invoke runs the methods that Koji's watch-task and list-tasks live on. Tasks with an even number are done.
func invoke(method string, args []any) (any, error) {
	switch method {
	case "getAPIVersion":
		return int64(1), nil
	case "listTasks":
		return []any{task(1), task(2), task(3)}, nil
	case "getTaskInfo", "getTaskResult":
		if len(args) == 0 {
			return nil, &xmlrpc.Fault{Code: 1000, String: method + ": task id missing"}
		}
		id, ok := args[0].(int64)
		if !ok {
			return nil, &xmlrpc.Fault{Code: 1000, String: method + ": task id is not an int"}
		}
		if method == "getTaskInfo" {
			return task(id), nil
		}
		return fmt.Sprintf("result of task %d", id), nil
	}
	return nil, &xmlrpc.Fault{Code: 1000, String: "invalid method: " + method}
}

func task(id int64) map[string]any {
	state := taskOpen
	if id%2 == 0 {
		state = taskClosed
	}
	return map[string]any{"id": id, "method": "build", "state": state, "parent": nil, "weight": 0.2, "waiting": false}
}
