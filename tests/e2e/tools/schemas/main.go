// Checks objects by the types of one version of Kubernetes: that each field is known, once there, and of its type, as an
// API server does at `--validate=strict`. What else that looks at, such as a name's length or a feature gate, is not here.
//
// YAML documents on standard input; one line for each object on standard output: `checked`, `not checked` (a group
// that is none of those below) or `refused`, with the reason. Status 1 if one is refused, 2 for what is no command.
//
// Which Kubernetes it is, go.mod alone says: the folder of each has pins of its own, and a link to this file.
package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer/json"
	"k8s.io/apimachinery/pkg/util/yaml"
)

// The groups of the chart, the plain manifests, the policies and the examples.
var groups = runtime.NewSchemeBuilder(
	admissionregistrationv1.AddToScheme,
	appsv1.AddToScheme,
	autoscalingv2.AddToScheme,
	batchv1.AddToScheme,
	corev1.AddToScheme,
	networkingv1.AddToScheme,
	policyv1.AddToScheme,
	rbacv1.AddToScheme,
)

const types = "k8s.io/api"

func main() {
	switch {
	case len(os.Args) == 1:
		os.Exit(check(os.Stdin, os.Stdout))
	case len(os.Args) == 2 && os.Args[1] == "--version":
		fmt.Println(types, version())
	default:
		fmt.Fprintln(os.Stderr, "give it YAML on standard input and no argument, or --version")
		os.Exit(2)
	}
}

// The version of the types that are built in, which no flag can misstate.
func version() string {
	if build, ok := debug.ReadBuildInfo(); ok {
		for _, module := range build.Deps {
			if module.Path == types {
				return module.Version
			}
		}
	}
	return "unknown"
}

func check(input io.Reader, output io.Writer) int {
	known := runtime.NewScheme()
	if err := groups.AddToScheme(known); err != nil {
		panic(err) // two types of one name: such a program is not to be used
	}
	checker := checker{known: known, output: output}
	checker.decoder = json.NewSerializerWithOptions(
		json.DefaultMetaFactory, known, known, json.SerializerOptions{Yaml: true, Strict: true},
	)
	documents := yaml.NewYAMLReader(bufio.NewReader(input))
	for {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return checker.status
		}
		if err != nil {
			checker.refuse("standard input", err)
			return checker.status
		}
		checker.checkDocument(document)
	}
}

type checker struct {
	known   *runtime.Scheme
	decoder runtime.Decoder
	output  io.Writer
	status  int
}

func (c *checker) checkDocument(document []byte) {
	switch content, err := yaml.ToJSON(document); {
	case err != nil:
		c.refuse("a document", err)
	case !bytes.Equal(bytes.TrimSpace(content), []byte("null")): // a comment alone is no object
		c.checkObject(document)
	}
}

func (c *checker) checkObject(document []byte) {
	object, kind, err := c.decoder.Decode(document, nil, nil)
	if kind == nil || kind.Kind == "" || kind.Version == "" {
		c.refuse("an object", err)
		return
	}
	list, isList := object.(*corev1.List)
	switch name := describe(*kind); {
	case runtime.IsNotRegisteredError(err) && !c.known.IsGroupRegistered(kind.Group):
		fmt.Fprintln(c.output, "not checked:", name)
	case runtime.IsNotRegisteredError(err):
		c.refuse(name, fmt.Errorf("there is no such kind in %s %s", types, version()))
	case err != nil:
		c.refuse(name, err)
	case isList:
		for _, item := range list.Items { // which the list's own type leaves open
			c.checkObject(item.Raw)
		}
	default:
		fmt.Fprintln(c.output, "checked:", name)
	}
}

func describe(kind schema.GroupVersionKind) string {
	return kind.GroupVersion().String() + " " + kind.Kind
}

// Errors of YAML have several lines.
func (c *checker) refuse(what string, err error) {
	fmt.Fprintf(c.output, "refused: %s: %s\n", what, strings.Join(strings.Fields(err.Error()), " "))
	c.status = 1
}
