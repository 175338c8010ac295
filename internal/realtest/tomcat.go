package realtest

import (
	_ "embed"
	"os"
	"strconv"
	"strings"
	"time"
)

// Tomcat is Tomcat with its default connector.
type Tomcat struct {
	KeepAliveTimeout time.Duration // to the millisecond
	MaxRequests      int           // that a connection serves
}

// tomcatJars are the server in a library, and what it needs.
var tomcatJars = []string{"/usr/share/java/tomcat10-embed-core.jar"}

func (Tomcat) facts() facts {
	return facts{
		name: "Tomcat", programs: []string{"java"}, packages: "default-jdk-headless libtomcat10-embed-java",
		needs:   tomcatJars,
		version: []string{"-cp", tomcatClassPath(), "org.apache.catalina.util.ServerInfo"},
	}
}

func tomcatClassPath() string { return strings.Join(tomcatJars, ":") }

//go:embed apps/Answer.java
var tomcatApp []byte

func (t Tomcat) start(s *site) (running, error) {
	if err := os.WriteFile(s.File("Answer.java"), tomcatApp, 0o600); err != nil {
		return nil, err
	}
	return s.run(signals{}, "-Xmx128m", "-XX:TieredStopAtLevel=1", "-cp", tomcatClassPath(), s.File("Answer.java"),
		s.Dir, s.Host(), s.Port(), strconv.FormatInt(t.KeepAliveTimeout.Milliseconds(), 10), strconv.Itoa(t.MaxRequests))
}
