//go:build cgo

package kernel

import "testing"

func newTeam(t testing.TB, threads int) *Team {
	t.Helper()
	team, err := NewTeam(threads)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(team.Close)
	return team
}

func TestTeamThreads(t *testing.T) {
	if got := newTeam(t, 3).Threads(); got != 3 {
		t.Errorf("want 3 threads, got %d", got)
	}
	for _, n := range []int{0, -1, maxThreads + 1} {
		if _, err := NewTeam(n); err == nil {
			t.Errorf("a team of %d threads was made", n)
		}
	}
}
