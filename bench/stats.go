package main

import (
	"math"
	"math/rand/v2"
	"slices"
)

// median of xs, NaN of none.
func median(xs []float64) float64 {
	if len(xs) == 0 {
		return math.NaN()
	}
	s := slices.Sorted(slices.Values(xs))
	m := len(s) / 2
	if len(s)%2 == 1 {
		return s[m]
	}
	return (s[m-1] + s[m]) / 2
}

// ratios are a/b round by round; a round that only one has is left out.
func ratios(a, b []float64) []float64 {
	out := make([]float64, min(len(a), len(b)))
	for i := range out {
		out[i] = a[i] / b[i]
	}
	return out
}

// bootstrap is the 95 % percentile interval of the median, from 2,000
// resamples with a fixed seed, so that the same samples print the same
// interval.
func bootstrap(xs []float64) (low, high float64) {
	if len(xs) == 0 {
		return math.NaN(), math.NaN()
	}
	r := rand.New(rand.NewPCG(1, 2))
	medians, draw := make([]float64, 2000), make([]float64, len(xs))
	for i := range medians {
		for j := range draw {
			draw[j] = xs[r.IntN(len(xs))]
		}
		medians[i] = median(draw)
	}
	slices.Sort(medians)
	return medians[len(medians)*25/1000], medians[len(medians)*975/1000-1]
}
