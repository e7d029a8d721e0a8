package jwtkeeper

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

const patience = 60 * time.Second

// daemon is a real jwtkeeperd on a throw-away secret. JWTKEEPERD names the program.
type daemon struct {
	command *exec.Cmd
	socket  string
}

func startDaemon(t *testing.T) *daemon {
	program := os.Getenv("JWTKEEPERD")
	if program == "" {
		t.Skip("JWTKEEPERD names no daemon")
	}
	directory := t.TempDir()
	started := &daemon{exec.Command(program, "--dev", directory), filepath.Join(directory, "jwtkeeper.sock")}
	started.command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := started.command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = started.command.Process.Kill()
		_ = started.command.Wait()
	})
	client := started.client(t, Options{})
	until(t, "the daemon answers", func() bool {
		_, err := client.Issue(context.Background(), nil)
		return err == nil
	})
	return started
}

func (daemon *daemon) client(t *testing.T, options Options) *Client {
	options.Socket = daemon.socket
	client, err := New(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// stop makes it stall, as a debugger or a frozen cgroup does; it goes on when the returned function is called.
func (daemon *daemon) stop(t *testing.T) func() {
	signal := func(number syscall.Signal) {
		if err := daemon.command.Process.Signal(number); err != nil {
			t.Fatal(err)
		}
	}
	signal(syscall.SIGSTOP)
	status := fmt.Sprintf("/proc/%d/status", daemon.command.Process.Pid)
	until(t, "the daemon has stopped", func() bool {
		text, err := os.ReadFile(status)
		return err == nil && strings.Contains(string(text), "State:\tT")
	})
	return func() { signal(syscall.SIGCONT) }
}

// token mints one. What is not even a token's form is judged without the daemon.
func token(t *testing.T, client *Client) string {
	minted, err := client.Issue(context.Background(), []byte(`{"sub":"42"}`))
	if err != nil {
		t.Fatal(err)
	}
	return minted.Token
}

func until(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !condition(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

// sockets returns the number of open sockets of this process.
func sockets(t *testing.T) int {
	descriptors, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	number := 0
	for _, descriptor := range descriptors {
		if target, err := os.Readlink(descriptor); err == nil && strings.HasPrefix(target, "socket:") {
			number++
		}
	}
	return number
}

// processorTime returns that of this process, which other processes hardly change.
func processorTime(t *testing.T) time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		t.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// threads returns the number of OS threads of this process.
func threads(t *testing.T) int {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "Threads:\t")
	line, _, _ := strings.Cut(rest, "\n")
	number, err := strconv.Atoi(line)
	if err != nil {
		t.Fatal(err)
	}
	return number
}

// countThreads samples the number of threads until the returned function is called, which returns the highest.
func countThreads(t *testing.T) func() int {
	over, result := make(chan struct{}), make(chan int)
	go func() {
		highest := 0
		for tick := time.NewTicker(5 * time.Millisecond); ; {
			select {
			case <-over:
				result <- highest
				return
			case <-tick.C:
				if number := threads(t); number > highest {
					highest = number
				}
			}
		}
	}()
	return func() int {
		close(over)
		return <-result
	}
}
