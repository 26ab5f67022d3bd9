package modeltest

import (
	"bytes"
	"fmt"
	"reflect"
	"unsafe"
)

// dumpOf writes every value that can be reached from v, unexported fields too.
func dumpOf(v any) []byte {
	var out bytes.Buffer
	dumpValue(&out, reflect.ValueOf(v), map[unsafe.Pointer]bool{})
	return out.Bytes()
}

func dumpValue(out *bytes.Buffer, v reflect.Value, seen map[unsafe.Pointer]bool) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() && !seen[v.UnsafePointer()] {
			seen[v.UnsafePointer()] = true
			dumpValue(out, v.Elem(), seen)
		}
	case reflect.Interface:
		if !v.IsNil() {
			dumpValue(out, v.Elem(), seen)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			fmt.Fprintf(out, "%s: ", v.Type().Field(i).Name)
			dumpValue(out, v.Field(i), seen)
		}
	case reflect.Map:
		for entries := v.MapRange(); entries.Next(); {
			dumpValue(out, entries.Key(), seen)
			dumpValue(out, entries.Value(), seen)
		}
	case reflect.Slice, reflect.Array:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			for i := range v.Len() {
				out.WriteByte(byte(v.Index(i).Uint()))
			}
			break
		}
		for i := range v.Len() {
			dumpValue(out, v.Index(i), seen)
		}
	default:
		fmt.Fprintf(out, "%v", v)
	}
	out.WriteByte('\n')
}
