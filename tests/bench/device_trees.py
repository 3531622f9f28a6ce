"""File trees shaped like those of real devices: what the sensors read, and no more."""

import os
import stat


def write_tree(root, files):
    """Write ``files`` {path: text} under ``root``; texts that begin with ``#!`` can be executed."""
    for path, text in files.items():
        full = os.path.join(str(root), path)
        if not os.path.isdir(os.path.dirname(full)):
            os.makedirs(os.path.dirname(full))
        with open(full, "w") as file:
            file.write(text)
        if text.startswith("#!"):
            os.chmod(full, os.stat(full).st_mode | stat.S_IXUSR)
    return str(root)


def cpufreq(policy, mhz, governor="ondemand", highest=1800000):
    folder = "sys/devices/system/cpu/cpufreq/policy{}/".format(policy)
    return {
        folder + "scaling_cur_freq": "{}\n".format(mhz * 1000),
        folder + "scaling_governor": governor + "\n",
        folder + "cpuinfo_max_freq": "{}\n".format(highest),
    }


def zones(**degrees):
    files = {}
    for number, (name, value) in enumerate(sorted(degrees.items())):
        folder = "sys/class/thermal/thermal_zone{}/".format(number)
        files[folder + "type"] = name.replace("_", "-") + "\n"
        files[folder + "temp"] = "{}\n".format(value)
    return files


MEMORY = {
    "proc/meminfo": "MemTotal:        3885396 kB\nMemFree:          200000 kB\nMemAvailable:    3211264 kB\n",
    "proc/self/status": "Name:\tpython3\nVmPeak:\t  300000 kB\nVmHWM:\t   91552 kB\nVmRSS:\t   88064 kB\n",
}

# Pi 4, Debian 12: the firmware's own file tells of under-voltage at some time since the start.
PI_4 = dict(
    MEMORY,
    **cpufreq(0, 1500),
    **zones(cpu_thermal=48686),
    **{
        "proc/device-tree/model": "Raspberry Pi 4 Model B Rev 1.4\0",
        "proc/cpuinfo": "processor\t: 0\nBogoMIPS\t: 108.00\nFeatures\t: fp asimd evtstrm crc32 cpuid\n",
        "etc/os-release": 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nNAME="Debian GNU/Linux"\n',
        "sys/devices/platform/soc/soc:firmware/get_throttled": "50000\n",
    },
)

PMIC = """#!/bin/sh
case $1 in
get_throttled) echo throttled=0xe0006 ;;
pmic_read_adc) cat <<END
 3V7_WL_SW_A current(0)=0.09400000A
   3V3_SYS_A current(1)=0.10000000A
  VDD_CORE_A current(7)=2.00000000A
 3V7_WL_SW_V volt(8)=3.70000000V
   3V3_SYS_V volt(9)=3.30000000V
  VDD_CORE_V volt(15)=0.90000000V
     EXT5V_V volt(24)=5.15000000V
      BATT_V volt(25)=0.00000000V
END
;;
*) exit 1 ;;
esac
"""
# Pi 5, whose firmware file is elsewhere or not there; throttled and capped just now.
PI_5 = dict(
    PI_4,
    **{
        "proc/device-tree/model": "Raspberry Pi 5 Model B Rev 1.0\0",
        "usr/bin/vcgencmd": PMIC,
    },
)
del PI_5["sys/devices/platform/soc/soc:firmware/get_throttled"]

_IIO = "sys/bus/i2c/drivers/ina3221x/6-0040/iio:device0/"
# Nano, JetPack 4.6: iio power monitors, load in thousandths, a cooling device that has stepped in.
JETSON_NANO = dict(
    MEMORY,
    **cpufreq(0, 921, "schedutil", 1479000),
    **zones(
        AO_therm=45000, CPU_therm=38500, GPU_therm=36000, PLL_therm=35500, PMIC_Die=100000, thermal_fan_est=-256000
    ),
    **{
        "proc/device-tree/model": "NVIDIA Jetson Nano Developer Kit\0",
        "etc/nv_tegra_release": "# R32 (release), REVISION: 7.6, GCID: 38171779, BOARD: t210ref\n",
        _IIO + "rail_name_0": "POM_5V_IN\n",
        _IIO + "rail_name_1": "POM_5V_GPU\n",
        _IIO + "rail_name_2": "POM_5V_CPU\n",
        _IIO + "in_power0_input": "4123\n",
        _IIO + "in_power1_input": "1201\n",
        _IIO + "in_power2_input": "806\n",
        "sys/devices/gpu.0/load": "873\n",
        "sys/devices/gpu.0/devfreq/57000000.gpu/cur_freq": "921600000\n",
        "sys/class/thermal/cooling_device0/type": "gpu-balanced\n",
        "sys/class/thermal/cooling_device0/cur_state": "2\n",
        "sys/class/thermal/cooling_device1/type": "pwm-fan\n",
        "sys/class/thermal/cooling_device1/cur_state": "7\n",
        "usr/sbin/nvpmodel": "#!/bin/sh\necho 'NV Power Mode: MAXN'\necho 0\n",
    },
)

_HWMON = "sys/bus/i2c/drivers/ina3221/1-0040/hwmon/hwmon1/"
# Orin Nano, JetPack 6: hwmon power monitors.
JETSON_ORIN_NANO = dict(
    MEMORY,
    **cpufreq(0, 1510, "schedutil", 1510400),
    **cpufreq(4, 729, "schedutil", 1510400),
    **zones(cpu_thermal=50187, gpu_thermal=49500, tj_thermal=51000),
    **{
        "proc/device-tree/model": "NVIDIA Jetson Orin Nano Developer Kit\0",
        "etc/nv_tegra_release": "# R36 (release), REVISION: 4.3\n",
        _HWMON + "in1_label": "VDD_IN\n",
        _HWMON + "in1_input": "5000\n",
        _HWMON + "curr1_input": "1240\n",
        _HWMON + "in2_label": "VDD_CPU_GPU_CV\n",
        _HWMON + "in2_input": "5000\n",
        _HWMON + "curr2_input": "400\n",
        _HWMON + "in3_label": "VDD_SOC\n",
        _HWMON + "in3_input": "5000\n",
        _HWMON + "curr3_input": "300\n",
        "sys/devices/platform/17000000.ga10b/load": "412\n",
        "sys/devices/platform/17000000.ga10b/devfreq/17000000.ga10b/cur_freq": "624750000\n",
        "sys/class/thermal/cooling_device0/type": "cpu-throttle-alert\n",
        "sys/class/thermal/cooling_device0/cur_state": "0\n",
        "sys/class/thermal/cooling_device1/type": "devfreq-17000000.ga10b\n",
        "sys/class/thermal/cooling_device1/cur_state": "0\n",
    },
)

# Coral's own board, and a stick on a USB 2 port beside a keyboard.
CORAL_DEV_BOARD = dict(
    MEMORY,
    **cpufreq(0, 1500, "performance", 1500000),
    **zones(cpu_thermal=52000),
    **{
        "proc/device-tree/model": "Freescale i.MX8MQ Phanbell\0",
        "sys/class/apex/apex_0/temp": "44800\n",
        "sys/class/thermal/cooling_device0/type": "thermal-cpufreq-0\n",
        "sys/class/thermal/cooling_device0/cur_state": "0\n",
    },
)
CORAL_USB_2 = dict(
    PI_4,
    **{
        "sys/bus/usb/devices/1-1/idVendor": "18d1\n",
        "sys/bus/usb/devices/1-1/idProduct": "9302\n",
        "sys/bus/usb/devices/1-1/speed": "480\n",
        "sys/bus/usb/devices/1-2/idVendor": "046d\n",
        "sys/bus/usb/devices/1-2/idProduct": "c31c\n",
        "sys/bus/usb/devices/1-2/speed": "1.5\n",
    },
)
DEVICES = {
    "pi-4": PI_4,
    "pi-5": PI_5,
    "jetson-nano": JETSON_NANO,
    "jetson-orin-nano": JETSON_ORIN_NANO,
    "coral-dev-board": CORAL_DEV_BOARD,
    "coral-usb-2": CORAL_USB_2,
}
