//go:build race

package aim

// raceDetector makes each request cost several times as much.
const raceDetector = true
