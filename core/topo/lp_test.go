package topo

import (
	"math"
	"testing"
)

// maximize solves max c·x subject to a·x ≤ b and x ≥ 0, where b ≥ 0, by the
// simplex method on a dense tableau. Bland's rule keeps it from cycling.
func maximize(c []float64, a [][]float64, b []float64) float64 {
	n, m := len(c), len(a)
	tableau := make([][]float64, m+1)
	for i := range a {
		tableau[i] = append(append(append([]float64{}, a[i]...), make([]float64, m)...), b[i])
		tableau[i][n+i] = 1
	}
	tableau[m] = make([]float64, n+m+1)
	for j := range c {
		tableau[m][j] = -c[j]
	}
	basis := make([]int, m)
	for i := range basis {
		basis[i] = n + i
	}
	for {
		col := entering(tableau[m][:n+m])
		if col < 0 {
			return tableau[m][n+m]
		}
		row := leaving(tableau[:m], basis, col)
		if row < 0 {
			return math.Inf(1)
		}
		pivot(tableau, row, col)
		basis[row] = col
	}
}

const epsilon = 1e-9

func entering(cost []float64) int {
	for j, c := range cost {
		if c < -epsilon {
			return j
		}
	}
	return -1
}

func leaving(rows [][]float64, basis []int, col int) int {
	best, row := math.Inf(1), -1
	for i, r := range rows {
		if r[col] <= epsilon {
			continue
		}
		ratio := r[len(r)-1] / r[col]
		if ratio < best-epsilon || ratio < best+epsilon && basis[i] < basis[row] {
			best, row = min(best, ratio), i
		}
	}
	return row
}

func pivot(tableau [][]float64, row, col int) {
	p := tableau[row][col]
	for j := range tableau[row] {
		tableau[row][j] /= p
	}
	for i := range tableau {
		f := tableau[i][col]
		if i == row || f == 0 {
			continue
		}
		for j := range tableau[i] {
			tableau[i][j] -= f * tableau[row][j]
		}
	}
}

func TestMaximize(t *testing.T) {
	for _, c := range []struct {
		name string
		c    []float64
		a    [][]float64
		b    []float64
		want float64
	}{
		{"two products, three plants", []float64{3, 5}, [][]float64{{1, 0}, {0, 2}, {3, 2}}, []float64{4, 12, 18}, 36},
		{"degenerate", []float64{10, -57, -9, -24}, [][]float64{{0.5, -5.5, -2.5, 9}, {0.5, -1.5, -0.5, 1}, {1, 0, 0, 0}}, []float64{0, 0, 1}, 1},
		{"no limit", []float64{1}, [][]float64{{-1}}, []float64{1}, math.Inf(1)},
	} {
		if got := maximize(c.c, c.a, c.b); math.Abs(got-c.want) > 1e-6 && got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}
