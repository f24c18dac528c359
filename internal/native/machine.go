package native

import (
	"bufio"
	"os"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/cpu"

	"github.com/nitrain/nitrain/internal/proc"
)

// examineCPU reads the processor's description where the system gives one.
func examineCPU() CPU {
	c := CPU{Model: runtime.GOARCH, Features: features(), Threads: runtime.NumCPU(), Usable: runtime.GOMAXPROCS(0)}
	f, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return c
	}
	defer f.Close()
	cores := map[string]bool{}
	socket := ""
	for lines := bufio.NewScanner(f); lines.Scan(); {
		key, value, _ := strings.Cut(lines.Text(), ":")
		value = strings.TrimSpace(value)
		switch strings.TrimSpace(key) {
		case "model name":
			c.Model = value
		case "physical id":
			socket = value
		case "core id":
			cores[socket+"/"+value] = true
		}
	}
	c.Cores = len(cores)
	return c
}

// features lists the instruction sets that matter to the kernels, by their names in /proc/cpuinfo.
func features() []string {
	all := []struct {
		name string
		has  bool
	}{
		{"avx2", cpu.X86.HasAVX2},
		{"fma", cpu.X86.HasFMA},
		{"avx512f", cpu.X86.HasAVX512F},
		{"avx512_vnni", cpu.X86.HasAVX512VNNI},
		{"avx512_bf16", cpu.X86.HasAVX512BF16},
		{"amx_tile", cpu.X86.HasAMXTile},
		{"amx_int8", cpu.X86.HasAMXInt8},
		{"amx_bf16", cpu.X86.HasAMXBF16},
		{"asimd", cpu.ARM64.HasASIMD},
		{"sve", cpu.ARM64.HasSVE},
	}
	have := []string{}
	for _, f := range all {
		if f.has {
			have = append(have, f.name)
		}
	}
	return have
}

// MachineMemory returns how much memory the machine has and how much of it is free for use, as far as Linux says;
// 0 is unknown.
func MachineMemory() Memory {
	m := Memory{Total: proc.Machine("MemTotal"), Available: proc.Machine("MemAvailable")}
	for _, path := range []string{"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"} {
		raw, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		limit, err := strconv.ParseInt(strings.TrimSpace(string(raw)), 10, 64)
		if err == nil && limit > 0 && limit < m.Total {
			m.Limit = limit
		}
	}
	return m
}
